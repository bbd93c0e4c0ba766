/// Where the samples of an experiment come from.
public enum DatasetSource: Hashable, Sendable {
  /// A data set known by name, with the folder that must have it; nil: wherever it is found.
  case named(String, path: String?)
  case imageFolder(ImageFolder)
  case csv(CSVFile)

  /// The word of `data.dataset`.
  public var name: String {
    switch self {
    case .named(let name, _): name
    case .imageFolder: "image-folder"
    case .csv: "csv"
    }
  }

  /// The file or folder that was given.
  public var path: String? {
    switch self {
    case .named(_, let path): path
    case .imageFolder(let folder): folder.path
    case .csv(let file): file.path
    }
  }

  /// The shape of a sample, and what is to be learnt of it: read from files only where nothing else says it.
  public func samples() throws(DatasetError) -> (shape: [Int], targets: DatasetTargets) {
    switch self {
    case .named(let name, _): return (try NamedDataset.named(name).sampleShape, .classes)
    case .imageFolder(let folder): return ([folder.height, folder.width, folder.channels], .classes)
    case .csv(let file):
      let train = try file.open(DatasetRequest(mayLackParts: true)).train
      return (train.sampleShape, train.targets)
    }
  }

  /// What a network may read and learn of a sample: read from files only where nothing else says it.
  public func layout() throws(DatasetError) -> DatasetLayout {
    if case .csv(let file) = self { return try file.open(DatasetRequest(mayLackParts: true)).train.layout }
    let samples = try samples()
    return DatasetLayout(sampleShape: samples.shape, targets: samples.targets)
  }

  /// Fetches the files of a data set known by name into the cache, where they are nowhere and no folder was given.
  public func fetchIfMissing(showsProgress: Bool, say: (String) -> Void) throws(DatasetError) {
    guard case .named(let name, nil) = self else { return }
    let dataset = try NamedDataset.named(name)
    if dataset.existingFolder() == nil { try dataset.fetch(showsProgress: showsProgress, say: say) }
  }

  /// Reads what has to be read before training: whole files, or what says where samples lie in them.
  public func open(_ request: DatasetRequest = DatasetRequest()) throws(DatasetError) -> DatasetParts {
    switch self {
    case .named(let name, let path): try NamedDataset.named(name).parts(request, given: path)
    case .imageFolder(let folder): try folder.open(request)
    case .csv(let file): try file.open(request)
    }
  }
}

/// How a data set is to be divided and, for a network that is trained already, read.
public struct DatasetRequest: Sendable {
  /// The share of the training samples that is held out for validation.
  public var validationSplit: Double
  /// Draws the validation part of IDX and CIFAR data; files and rows go by their hash.
  public var splitSeed: Int
  public var splitRule: DatasetRecord.SplitRule
  /// The class names of a trained network in the order of their numbers; nil: those of the data, by `ClassOrder`.
  public var classNames: [String]?
  /// What the trained network's samples were; it has class names too.
  public var record: DatasetRecord?
  /// Whether a part may be empty: of data that is only evaluated.
  public var mayLackParts: Bool

  public init(
    validationSplit: Double = 0, splitSeed: Int = 0, splitRule: DatasetRecord.SplitRule = .hashed,
    classNames: [String]? = nil, record: DatasetRecord? = nil, mayLackParts: Bool = false
  ) {
    (self.validationSplit, self.splitSeed, self.splitRule) = (validationSplit, splitSeed, splitRule)
    (self.classNames, self.record, self.mayLackParts) = (classNames ?? record?.classNames, record, mayLackParts)
    if let record { self.splitRule = record.split }
  }

  /// Which part a sample of this hash belongs to, where `testSplit` is the share for testing.
  func part(of hash: UInt64, testSplit: Double) -> DatasetRecord.Part.Name {
    if SplitHash.isTest(hash, split: testSplit) { return .test }
    return splitRule == .hashed && SplitHash.isValidation(hash, split: validationSplit) ? .validation : .train
  }
}

extension DatasetParts {
  /// Divides as runs before 2026-11-28 were, where that is asked for; writes down how many samples are where; and notes
  /// what a user should look at.
  func counted(_ request: DatasetRequest, testSplit: Double? = nil) -> DatasetParts {
    var parts = self
    parts.count(request)
    parts.record?.testSplit = testSplit
    return parts
  }

  private mutating func count(_ request: DatasetRequest) {
    if request.splitRule == .tail {
      let held = Int(Double(train.count) * request.validationSplit)
      if held > 0 {
        validation = train.subset(train.count - held..<train.count)
        train = train.subset(0..<train.count - held)
      }
    }
    let whole = train.count + (validation?.count ?? 0)
    if validation?.count == 0 { validation = nil }
    if request.validationSplit > 0, validation == nil, whole > 0, !request.mayLackParts {
      notes.append(
        "data.validation_split \(request.validationSplit) holds out none of the \(whole) training samples: epochs are "
          + "validated on the test set")
    }
    var counted: [DatasetRecord.Part] = []
    for name in [DatasetRecord.Part.Name.train, .validation, .test] {
      guard let part = self[name] else { continue }
      var counts: [Int] = []
      if part.targets == .classes {
        counts = [Int](repeating: 0, count: part.classNames.count)
        for label in part.labels { counts[Int(label)] += 1 }
        let without = part.classNames.indices.filter { counts[$0] == 0 }
        if !without.isEmpty, !request.mayLackParts {
          notes.append(
            "the \(name.rawValue) part has no sample of class \(ClassOrder.words(without.map { part.classNames[$0] }))")
        }
      }
      counted.append(DatasetRecord.Part(name: name, count: part.count, classCounts: counts))
    }
    record?.parts = counted
    record?.split = request.splitRule
    record?.validationSplit = request.validationSplit
    record?.splitSeed = request.splitSeed
    // What a run says of itself stays, such as where it went on with other data.
    if let others = request.record?.others { record?.others = others }
  }
}

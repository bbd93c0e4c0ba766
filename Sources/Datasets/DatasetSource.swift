/// Where the samples of an experiment come from.
public enum DatasetSource: Hashable, Sendable {
  /// A data set known by name, with the folder that must have it; nil: wherever it is found.
  case named(String, path: String?)
  case imageFolder(ImageFolder)
  case csv(CSVFile)
  case texts(TextFolder)
  case series(TimeSeries)
  case adding(AddingProblem)
  case copying(CopyProblem)

  /// The word of `data.dataset`.
  public var name: String {
    switch self {
    case .named(let name, _): name
    case .imageFolder: "image-folder"
    case .csv: "csv"
    case .texts: TextFolder.word
    case .series: TimeSeries.word
    case .adding: AddingProblem.word
    case .copying: CopyProblem.word
    }
  }

  /// The file or folder that was given; nil where there is none.
  public var path: String? {
    switch self {
    case .named(_, let path): path
    case .imageFolder(let folder): folder.path
    case .csv(let file): file.path
    case .texts(let folder): folder.path
    case .series(let series): series.path
    case .adding, .copying: nil
    }
  }

  /// The shape of a sample, and what is to be learnt of it, for a network that reads one field and learns `labels`: read
  /// from files only where nothing else says it. Data with other fields is an error.
  public func samples() throws(DatasetError) -> (shape: [Int], targets: DatasetTargets) {
    switch self {
    case .named(let name, _): return (try NamedDataset.named(name).sampleShape, .classes)
    case .imageFolder(let folder): return ([folder.height, folder.width, folder.channels], .classes)
    case .csv, .texts, .series, .adding, .copying:
      let layout = try layout()
      guard layout.inputs.count == 1, layout.targets.count == 1, let target = layout[Field.labels] else {
        func words(_ names: [String]) -> String { names.joined(separator: " and ") }
        throw DatasetError(
          .invalid,
          "the data has the inputs \(words(layout.inputs.map(\.name))) and the targets "
            + "\(words(layout.targets.map(\.name))), and this is for one input and the target \(Field.labels)")
      }
      return (layout.inputs[0].shape, target.targets)
    }
  }

  /// What a network may read and learn of a sample, with pictures of that element type: read from files only where nothing
  /// else says it.
  public func layout(pictures elementType: Field.ElementType = .uint8) throws(DatasetError) -> DatasetLayout {
    switch self {
    case .csv(let file): return try file.scanned(DatasetRequest(mayLackParts: true, pictures: elementType)).layout()
    case .texts(let folder): return try folder.open(DatasetRequest(mayLackParts: true)).train.layout
    case .series(let series): return try series.scanned(DatasetRequest(mayLackParts: true)).layout()
    case .adding(let problem): return problem.layout
    case .copying(let problem): return problem.layout
    case .named, .imageFolder:
      let samples = try samples()
      return DatasetLayout(
        inputs: [.pictures(Field.images, samples.shape, as: elementType)],
        targets: [.init(Field.labels, samples.targets)])
    }
  }

  /// Fetches the files of a data set known by name, where they are nowhere and no folder was given.
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
    case .texts(let folder): try folder.open(request)
    case .series(let series): try series.open(request)
    case .adding(let problem): try problem.open(request)
    case .copying(let problem): try problem.open(request)
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
  /// What pictures are stored as: u8 or, for a network that was trained on these, f32.
  public var pictureType: Field.ElementType
  /// Whether a part may be empty: of data that is only evaluated.
  public var mayLackParts: Bool

  public init(
    validationSplit: Double = 0, splitSeed: Int = 0, splitRule: DatasetRecord.SplitRule = .hashed,
    classNames: [String]? = nil, record: DatasetRecord? = nil, mayLackParts: Bool = false,
    pictures: Field.ElementType = .uint8
  ) {
    (self.validationSplit, self.splitSeed, self.splitRule) = (validationSplit, splitSeed, splitRule)
    (self.classNames, self.record, self.mayLackParts) = (classNames ?? record?.classNames, record, mayLackParts)
    pictureType = record?.pictureType ?? pictures
    if let record { self.splitRule = record.split }
  }

  /// The class names of a trained network for a field of the data; nil: those of the data.
  func classNames(of target: String) -> [String]? {
    guard let fields = record?.targetFields else { return target == Field.labels ? classNames : nil }
    return fields.first { $0.name == target && $0.targets == .classes }?.classNames
  }

  /// Which part a sample of this hash belongs to, where `testSplit` is the share for testing.
  func part(of hash: UInt64, testSplit: Double) -> DatasetRecord.Part.Name {
    if SplitHash.isTest(hash, split: testSplit) { return .test }
    return splitRule == .hashed && SplitHash.isValidation(hash, split: validationSplit) ? .validation : .train
  }
}

extension DatasetParts {
  /// Divides as runs without a record were, where that is asked for; writes down how many samples are where; and notes
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
      var byTarget: [String: [Int]] = [:]
      for target in part.targetFields where target.targets == .classes {
        let (counts, without) = Self.counts(of: target, in: part)
        byTarget[target.name] = counts
        if !without.isEmpty, !request.mayLackParts {
          let what = target.name == Field.labels ? "" : "\(target.name) "
          notes.append("the \(name.rawValue) part has no sample of \(what)class \(ClassOrder.words(without))")
        }
      }
      counted.append(
        DatasetRecord.Part(
          name: name, count: part.count,
          classCounts: part.targetFields.first.flatMap { byTarget[$0.name] } ?? [],
          classCountsByTarget: record?.targetFields == nil ? nil : byTarget))
    }
    record?.parts = counted
    record?.split = request.splitRule
    record?.validationSplit = request.validationSplit
    record?.splitSeed = request.splitSeed
    // What a run says of itself stays, such as where it went on with other data.
    if let others = request.record?.others { record?.others = others }
  }

  /// How many samples each class has, and which have none.
  private static func counts(
    of target: DatasetLayout.Target, in part: any Dataset
  ) -> (counts: [Int], without: [String]) {
    var counts = [Int](repeating: 0, count: target.classNames.count)
    for number in part.classes(of: target.name) { counts[Int(number)] += 1 }
    return (counts, target.classNames.indices.filter { counts[$0] == 0 }.map { target.classNames[$0] })
  }
}

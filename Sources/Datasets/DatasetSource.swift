/// The parts of a data set.
public struct DatasetParts: Sendable {
  public var train: any Dataset
  public var test: any Dataset
  /// What was read, for whoever reads later samples in the same way; nil of data sets made in a program.
  public var record: DatasetRecord?
  /// What a user should know of the data, a sentence each: what is left out, turned, or looks like a mistake.
  public var notes: [String] = []

  public init(train: any Dataset, test: any Dataset, record: DatasetRecord? = nil, notes: [String] = []) {
    (self.train, self.test, self.record, self.notes) = (train, test, record, notes)
  }
}

/// Where the samples of an experiment come from.
public enum DatasetSource: Hashable, Sendable {
  /// A data set known by name, with the folder that must have it; nil: wherever it is found.
  case named(String, path: String?)
  case imageFolder(ImageFolder)
  case csv(CSVFile)

  /// The shape of a sample, and what is to be learnt of it: read from files only where nothing else says it.
  public func samples() throws(DatasetError) -> (shape: [Int], targets: DatasetTargets) {
    switch self {
    case .named(let name, _): return (try NamedDataset.named(name).sampleShape, .classes)
    case .imageFolder(let folder): return ([folder.height, folder.width, folder.channels], .classes)
    case .csv(let file):
      let train = try file.open().train
      return (train.sampleShape, train.targets)
    }
  }

  /// Fetches the files of a data set known by name into the cache, where they are nowhere and no folder was given.
  public func fetchIfMissing(showsProgress: Bool, say: (String) -> Void) throws(DatasetError) {
    guard case .named(let name, nil) = self else { return }
    let dataset = try NamedDataset.named(name)
    if dataset.existingFolder() == nil { try dataset.fetch(showsProgress: showsProgress, say: say) }
  }

  /// Reads what has to be read before training: whole files, or what says where samples lie in them.
  public func open() throws(DatasetError) -> DatasetParts {
    switch self {
    case .named(let name, let path):
      let parts = try NamedDataset.named(name).load(given: path)
      return DatasetParts(train: parts.train, test: parts.test)
    case .imageFolder(let folder): return try folder.open()
    case .csv(let file): return try file.open()
    }
  }
}

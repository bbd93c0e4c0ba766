/// A data set known by name: its files, where they are looked for, and where they come from.
public struct NamedDataset: Sendable {
  public enum Format: Sendable {
    /// Four IDX files, plain or gzip: `train-` and `t10k-`, images and labels.
    case idx
    /// Records of `labelBytes` bytes, the last of which is the class, and 3 · 32 · 32 bytes, channel by channel.
    case cifar(labelBytes: Int)
  }

  /// A file as its makers published it.
  public struct File: Hashable, Sendable {
    /// In the data set's folder; it may also lie there packed, with `.gz`.
    public var name: String
    /// Bytes, unpacked.
    public var size: Int
    /// Of the unpacked bytes, so that it does not matter who packed them; nil where not known for sure.
    public var sha256: String?

    public init(_ name: String, size: Int, sha256: String? = nil) {
      (self.name, self.size, self.sha256) = (name, size, sha256)
    }
  }

  /// An archive that holds all files in one folder.
  public struct Archive: Hashable, Sendable {
    public var name: String
    public var md5: String
    /// The folder in it.
    public var folder: String

    public init(_ name: String, md5: String, folder: String) {
      (self.name, self.md5, self.folder) = (name, md5, folder)
    }
  }

  /// The word in configs.
  public var name: String
  public var classNames: [String]
  public var format: Format
  public var files: [File]
  /// Base URLs in the order they are tried.
  public var mirrors: [String]
  /// What the mirrors have; nil: each file by itself, as `.gz`.
  public var archive: Archive?
  /// Where Debian's package puts it, and what that package is called.
  public var debianFolder: String?
  public var debianPackage: String?

  public init(
    name: String, classNames: [String], format: Format, files: [File], mirrors: [String], archive: Archive? = nil,
    debianFolder: String? = nil, debianPackage: String? = nil
  ) {
    (self.name, self.classNames, self.format, self.files) = (name, classNames, format, files)
    (self.mirrors, self.archive) = (mirrors, archive)
    (self.debianFolder, self.debianPackage) = (debianFolder, debianPackage)
  }

  /// Known without the files.
  public var sampleShape: [Int] {
    switch format {
    case .idx: [28, 28, 1]
    case .cifar: [32, 32, 3]
    }
  }

  public static func named(_ name: String) throws(DatasetError) -> NamedDataset {
    guard let found = all.first(where: { $0.name == name }) else {
      throw DatasetError(
        .invalid, "there is no data set called \(name); known are \(all.map(\.name).joined(separator: ", "))")
    }
    return found
  }

  /// Reads both parts from the first folder that holds them.
  public func load(given: String? = nil) throws(DatasetError) -> (train: ByteDataset, test: ByteDataset) {
    try load(in: try folder(given: given), ContentReader(makesSums: false))
  }

  private func load(
    in folder: String, _ reader: ContentReader
  ) throws(DatasetError) -> (train: ByteDataset, test: ByteDataset) {
    switch format {
    case .idx:
      return (
        try IDXFile.pair("train", in: folder, classNames, reader),
        try IDXFile.pair("t10k", in: folder, classNames, reader)
      )
    case .cifar(let labelBytes):
      let reader = CIFARReader(folder: folder, labelBytes: labelBytes, classNames: classNames, reader: reader)
      return (
        try reader.read(files.map(\.name).filter { !$0.hasPrefix("test") }),
        try reader.read(
          files.map(\.name).filter { $0.hasPrefix("test") })
      )
    }
  }

  /// Both parts, with the validation part drawn from the training samples.
  func parts(_ request: DatasetRequest, given: String?) throws(DatasetError) -> DatasetParts {
    let folder = try folder(given: given)
    let reader = ContentReader()
    let (train, test) = try load(in: folder, reader)
    var parts = DatasetParts(
      train: train.with(pictures: request.pictureType), test: test.with(pictures: request.pictureType))
    if request.splitRule == .hashed { parts = parts.holdingOut(request.validationSplit, seed: request.splitSeed) }
    parts.record = DatasetRecord(
      source: name, sampleShape: train.sampleShape, targets: .classes, classNames: train.classNames,
      channels: train.sampleShape.last == 3 ? .rgb : .gray, elementType: request.pictureType,
      identity: try reader.identity(of: files.map { Self.path(of: $0.name, in: folder) ?? folder + "/" + $0.name }))
    if let known = request.classNames, known != train.classNames {
      parts.notes.append(
        "the network's classes are called \(ClassOrder.words(known)), and those of \(name) \(ClassOrder.words(train.classNames)): "
          + "they are taken for the same by their numbers")
    }
    return parts.counted(request)
  }
}

/// The parts of a folder of files by class: `train/CLASS/FILE` and `test/CLASS/FILE`, or without these two `CLASS/FILE`, of
/// which a share is for testing.
struct ClassFolderParts {
  let path: String
  let kind: ClassFileKind
  let testSplit: Double
  /// In the order of their numbers.
  let classNames: [String]
  private(set) var notes: [String] = []
  /// What is wrong with what lies in folders of classes and is none of these files.
  let strays: [String]
  private let request: DatasetRequest
  private let train: ClassFolders?
  private let test: ClassFolders?
  private let testFolder: String?
  /// Those that the network knows.
  private let numbers: [String: Int32]

  /// A part's files by their paths, with their classes.
  struct Part {
    var paths: [String]
    var labels: [Int32]
  }

  /// Lists the files and looks into none. `path` has no slash behind it. With `refusesStrays` what is none of these files
  /// is an error.
  init(
    _ path: String, of kind: ClassFileKind, testSplit: Double, refusesStrays: Bool, _ request: DatasetRequest
  ) throws(DatasetError) {
    (self.path, self.kind, self.testSplit, self.request) = (path, kind, testSplit, request)
    let top = try FolderListing(path)
    let (trainFolder, testFolder) = (try Self.part("train", of: top), try Self.part("test", of: top))
    guard trainFolder != nil || testFolder == nil || request.mayLackParts else {
      throw DatasetError(
        .missing,
        "\(path) has a folder test with folders of classes, but "
          + (top.folders.contains("train") ? "its folder train has none" : "none that is called train"))
    }
    self.testFolder = testFolder
    var notes: [String] = []
    if trainFolder != nil {
      let others = top.folders.filter { $0 != "train" && !($0 == "test" && testFolder != nil) }
      if others.contains("test") {
        notes.append(
          "\(path)/test holds no folders of classes and is not used: a share of the \(kind.words) of train is for testing"
        )
      }
      let unknown = others.filter { $0 != "test" }
      if !unknown.isEmpty {
        notes.append(
          "of \(path) only the folders train and test are used, not \(ClassOrder.words(unknown)) "
            + "(data.validation_split holds out training samples)")
      }
      let loose = top.files.filter { kind.contains($0.name) }
      if !loose.isEmpty { notes.append("\(loose.count) \(kind.words) lie in \(path) itself: they belong to no class") }
    }
    // Where there is no folder test, a share of all files is for testing.
    train = trainFolder == nil && testFolder != nil ? nil : try ClassFolders(trainFolder ?? path, of: kind, &notes)
    test = try testFolder.map { folder throws(DatasetError) in try ClassFolders(folder, of: kind, &notes) }
    strays = (train?.strays ?? []) + (test?.strays ?? [])
    if refusesStrays, let first = strays.first {
      throw DatasetError(
        .invalid,
        first + (strays.count > 1 ? " (and \(strays.count - 1) more: switchback data check CONFIG lists them)" : ""))
    }
    let found = (train?.names ?? []) + (test?.names ?? [])
    if let train, let test, request.classNames == nil {
      let others = Set(test.names).subtracting(train.names)
      guard others.isEmpty else {
        throw DatasetError(
          .invalid, "\(test.path) has classes that \(train.path) has not: \(ClassOrder.words(Array(others)))")
      }
    }
    if let (a, b) = ClassOrder.twins(in: found) {
      throw DatasetError(
        .invalid, "\(path) has two classes \(a) and \(b), written with other Unicode scalars: rename one of them")
    }
    let names = ClassOrder.sorted(Set(found))
    let counts = Dictionary(grouping: (train?.files ?? []) + (test?.files ?? []), by: \.className)
    let map = ClassMap(found: names, counts: names.map { counts[$0]?.count ?? 0 }, known: request.classNames)
    self.notes = notes + map.notes
    classNames = map.names
    // Without the classes that the network does not know: their files are in no part.
    var numbers: [String: Int32] = [:]
    for (name, number) in zip(names, map.numbers) { numbers[name] = number }
    self.numbers = numbers
  }

  /// Throws where there is none, unless it may be so.
  func files(_ name: DatasetRecord.Part.Name) throws(DatasetError) -> Part {
    var chosen: [(path: String, file: ClassFolders.File)] = []
    for folder in [train, test].compactMap({ $0 }) {
      chosen += folder.files.filter { file in
        // A folder test is the test part; without one the hash tells, as it always tells the validation part.
        let split = test == nil ? testSplit : 0
        let part = folder.path == testFolder ? .test : request.part(of: file.hash, testSplit: split)
        return part == name && numbers[file.className] != nil
      }.map { (folder.path + "/" + $0.path, $0) }
    }
    guard !chosen.isEmpty || name == .validation || request.mayLackParts else {
      throw DatasetError(
        .missing,
        "\(path) has no \(kind.words) for \(name == .test ? "testing" : "training") (test_split is \(testSplit)); add "
          + "files or change the share")
    }
    // Shuffled by their hashes, because runs of earlier programs split off the tail.
    let mixed = chosen.sorted { ($0.file.hash, $0.file.path) < ($1.file.hash, $1.file.path) }
    return Part(paths: mixed.map(\.path), labels: mixed.map { numbers[$0.file.className] ?? 0 })
  }

  /// SHA-256 over sorted names and sizes: what can be had without reading every file.
  var identity: String {
    get throws(DatasetError) {
      let lines = [train, test].compactMap { $0 }.flatMap { folder in
        folder.files.map { "\(folder.path.dropFirst(path.count))/\($0.path)\0\($0.size)\n" }
      }
      return "sha256:" + (try Checksum.sha256(of: lines.sorted().joined().utf8))
    }
  }

  /// The folder of that name where it holds folders of classes; one that holds files is a class of that name.
  private static func part(_ name: String, of top: FolderListing) throws(DatasetError) -> String? {
    guard top.folders.contains(name) else { return nil }
    let folder = top.path + "/" + name
    return try FolderListing(folder).folders.isEmpty ? nil : folder
  }
}

extension ClassFolderParts {
  private static let partNames: Set = [
    "train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval",
  ]

  /// Refuses a folder whose folders are called as parts of a data set: they would be taken for classes, where they are not
  /// `train` and `test` with folders of classes.
  static func refuseOthers(in top: FolderListing, of kind: ClassFileKind) throws(DatasetError) {
    let names = top.folders
    guard !names.isEmpty, names.allSatisfy({ partNames.contains($0.lowercased()) }) else { return }
    var withClasses: [String] = []
    for name in names where try !FolderListing(top.path + "/" + name).folders.isEmpty { withClasses.append(name) }
    guard !withClasses.contains("train") else { return }
    let words = ClassOrder.words(names)
    throw DatasetError(
      .invalid,
      withClasses.isEmpty
        ? "the folders of \(top.path) (\(words)) are called as parts of a data set, and hold no folders of classes: put the "
          + "\(kind.words) of each class into a folder of its name (train/CLASS, test/CLASS, or CLASS alone), or name them in a "
          + "table (--dataset csv)"
        : "the folders of \(top.path) (\(words)) are called as parts of a data set, but the training part must be called "
          + "train, and the test part test: rename them")
  }
}

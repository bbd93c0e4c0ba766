/// A folder of images by class: `train/CLASS/*.png` and `test/CLASS/*.png`, or without these two `CLASS/*.png`, of
/// which a share is for testing. Classes count by `ClassOrder`.
public struct ImageFolder: Hashable, Sendable {
  public var path: String
  /// Every image is resized to it.
  public var height: Int
  public var width: Int
  /// 1: gray, 3: red, green, blue.
  public var channels: Int
  /// How images of another shape get that size.
  public var fit: Image.Fit
  /// The share of the images that is for testing where there is no folder `test`. A file stays on its side, whatever
  /// is added: its name decides.
  public var testSplit: Double
  /// How far opening looks whether the images can be read.
  public var check: ImageCheck.Extent
  /// Whether what is no image inside a class is an error, or left out.
  var refusesStrays = true

  public init(
    path: String, height: Int, width: Int, channels: Int, fit: Image.Fit = .stretch, testSplit: Double = 0.2,
    check: ImageCheck.Extent = .quick
  ) {
    // Files are named behind one slash.
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    (self.height, self.width) = (height, width)
    (self.channels, self.fit, self.testSplit, self.check) = (channels, fit, testSplit, check)
  }

  /// Lists the files and looks into none.
  func listed(_ request: DatasetRequest) throws(DatasetError) -> DatasetParts {
    let top = try FolderListing(path)
    let (trainFolder, testFolder) = (try part("train", of: top), try part("test", of: top))
    guard trainFolder != nil || testFolder == nil || request.mayLackParts else {
      throw DatasetError(
        .missing,
        "\(path) has a folder test with folders of classes, but "
          + (top.folders.contains("train") ? "its folder train has none" : "none that is called train"))
    }
    var notes: [String] = []
    if trainFolder != nil {
      let others = top.folders.filter { $0 != "train" && !($0 == "test" && testFolder != nil) }
      if others.contains("test") {
        notes.append(
          "\(path)/test holds no folders of classes and is not used: a share of the images of train is for testing")
      }
      let unknown = others.filter { $0 != "test" }
      if !unknown.isEmpty {
        notes.append(
          "of \(path) only the folders train and test are used, not \(ClassOrder.words(unknown)) "
            + "(data.validation_split holds out training samples)")
      }
      let loose = top.files.filter { ClassFolders.isImage($0.name) }
      if !loose.isEmpty { notes.append("\(loose.count) images lie in \(path) itself: they belong to no class") }
    }
    // Where there is no folder test, a share of all images is for testing.
    let train = trainFolder == nil && testFolder != nil ? nil : try ClassFolders(trainFolder ?? path, &notes)
    let test = try testFolder.map { folder throws(DatasetError) in try ClassFolders(folder, &notes) }
    let strays = (train?.strays ?? []) + (test?.strays ?? [])
    if refusesStrays, let first = strays.first {
      throw DatasetError(
        .invalid,
        first + (strays.count > 1 ? " (and \(strays.count - 1) more: switchback data check CONFIG lists them)" : ""))
    }
    let found = Set((train?.names ?? []) + (test?.names ?? []))
    if let train, let test, request.classNames == nil {
      let others = Set(test.names).subtracting(train.names)
      guard others.isEmpty else {
        throw DatasetError(
          .invalid, "\(test.path) has classes that \(train.path) has not: \(ClassOrder.words(Array(others)))")
      }
    }
    if let (a, b) = ClassOrder.twins(in: (train?.names ?? []) + (test?.names ?? [])) {
      throw DatasetError(
        .invalid, "\(path) has two classes \(a) and \(b), written with other Unicode scalars: rename one of them")
    }
    let names = ClassOrder.sorted(found)
    let counts = Dictionary(grouping: (train?.images ?? []) + (test?.images ?? []), by: \.className)
    let map = ClassMap(found: names, counts: names.map { counts[$0]?.count ?? 0 }, known: request.classNames)
    notes += map.notes
    // Without the classes that the network does not know: their images are in no part.
    var numbers: [String: Int32] = [:]
    for (name, number) in zip(names, map.numbers) { numbers[name] = number }
    func files(_ name: DatasetRecord.Part.Name) throws(DatasetError) -> ImageFiles {
      var chosen: [(path: String, image: ClassFolders.ImageFile)] = []
      for folder in [train, test].compactMap({ $0 }) {
        chosen += folder.images.filter { image in
          // A folder test is the test part; without one the hash tells, as it always tells the validation part.
          let split = test == nil ? testSplit : 0
          let part = folder.path == testFolder ? .test : request.part(of: image.hash, testSplit: split)
          return part == name && numbers[image.className] != nil
        }.map { (folder.path + "/" + $0.path, $0) }
      }
      return try self.files(chosen, numbers, map.names, name, request)
    }
    let validation = try files(.validation)
    return DatasetParts(
      train: try files(.train), validation: validation.count > 0 ? validation : nil, test: try files(.test),
      record: DatasetRecord(
        source: "image-folder", sampleShape: [height, width, channels], targets: .classes, classNames: map.names,
        channels: channels == 1 ? .gray : .rgb, elementType: request.pictureType, fit: fit,
        identity: try identity([train, test].compactMap { $0 })), notes: notes
    ).counted(request, testSplit: testSplit)
  }

  /// What is wrong with what lies in folders of classes and is no image.
  func strays() throws(DatasetError) -> [String] {
    let top = try FolderListing(path)
    var folders: [String] = []
    for name in ["train", "test"] { if let folder = try part(name, of: top) { folders.append(folder) } }
    var (strays, notes) = ([String](), [String]())
    for folder in folders.isEmpty ? [path] : folders { strays += try ClassFolders(folder, &notes).strays }
    return strays
  }

  /// The folder of that name where it holds folders of classes; one that holds images is a class of that name.
  private func part(_ name: String, of top: FolderListing) throws(DatasetError) -> String? {
    guard top.folders.contains(name) else { return nil }
    let folder = path + "/" + name
    return try FolderListing(folder).folders.isEmpty ? nil : folder
  }

  private func files(
    _ chosen: [(path: String, image: ClassFolders.ImageFile)], _ numbers: [String: Int32], _ names: [String],
    _ part: DatasetRecord.Part.Name, _ request: DatasetRequest
  ) throws(DatasetError) -> ImageFiles {
    guard !chosen.isEmpty || part == .validation || request.mayLackParts else {
      throw DatasetError(
        .missing,
        "\(path) has no images for \(part == .test ? "testing" : "training") (test_split is \(testSplit)); add files or "
          + "change the share")
    }
    // Shuffled by their hashes, because runs of earlier programs split off the tail.
    let mixed = chosen.sorted { ($0.image.hash, $0.image.path) < ($1.image.hash, $1.image.path) }
    return try ImageFiles(
      paths: mixed.map(\.path), labels: mixed.map { numbers[$0.image.className] ?? 0 }, classNames: names,
      sampleShape: [height, width, channels], elementType: request.pictureType, fit: fit)
  }

  /// SHA-256 over sorted names and sizes: what can be had without reading every file.
  private func identity(_ folders: [ClassFolders]) throws(DatasetError) -> String {
    let lines = folders.flatMap { folder in
      folder.images.map { "\(folder.path.dropFirst(path.count))/\($0.path)\0\($0.size)\n" }
    }
    return "sha256:" + (try Checksum.sha256(of: lines.sorted().joined().utf8))
  }
}

/// A folder with a folder of images for each class.
struct ClassFolders {
  struct ImageFile {
    var className: String
    /// `CLASS/FILE`
    var path: String
    /// Bytes.
    var size: Int
    var hash: UInt64
  }

  let path: String
  let names: [String]
  let images: [ImageFile]
  /// What is wrong with what lies in folders of classes and is no image.
  private(set) var strays: [String] = []

  init(_ path: String, _ notes: inout [String]) throws(DatasetError) {
    self.path = path
    let listing = try FolderListing(path)
    names = listing.folders
    guard !names.isEmpty else {
      throw DatasetError(.missing, "\(path) has no folders: put the images of each class into a folder of its name")
    }
    let loose = listing.files.filter { Self.isImage($0.name) }
    if !loose.isEmpty {
      notes.append("\(loose.count) images lie in \(path) itself, such as \(loose[0].name): they belong to no class")
    }
    for name in listing.hiddenFolders {
      let hidden = try FolderListing(path + "/" + name).files.count { Self.isImage($0.name) }
      if hidden > 0 { notes.append("\(path)/\(name) is hidden by its name: its \(hidden) images are not used") }
    }
    var (images, empty) = ([ImageFile](), [String]())
    for name in names {
      let inside = try FolderListing(path + "/" + name).entries
      if inside.isEmpty { empty.append(name) }
      for file in inside {
        guard !file.isFolder, Self.isImage(file.name) else {
          strays.append("\(path)/\(name)/\(file.name) \(Self.words(forStray: file))")
          continue
        }
        let place = name + "/" + file.name
        images.append(ImageFile(className: name, path: place, size: file.size, hash: SplitHash.of(place)))
      }
    }
    if !empty.isEmpty { notes.append("\(path) has no images of class \(ClassOrder.words(empty)): the folder is empty") }
    self.images = images
  }

  /// What is wrong with what is no image that can be read.
  private static func words(forStray file: FolderListing.Entry) -> String {
    if !file.isFolder, let other = ForeignImage(named: file.name) { return other.words }
    let what = file.isFolder ? "a folder inside a class" : "none of " + Image.endings.joined(separator: ", ")
    return "is \(what); move it elsewhere"
  }

  static func isImage(_ name: String) -> Bool {
    guard let dot = name.lastIndex(of: ".") else { return false }
    return Image.endings.contains(name[name.index(after: dot)...].lowercased())
  }
}

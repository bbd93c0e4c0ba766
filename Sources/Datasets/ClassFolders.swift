/// What kind of files lie in folders of classes.
enum ClassFileKind {
  case images, texts

  /// Several of them.
  var words: String { self == .images ? "images" : "texts" }

  /// Whether a file of this name is one.
  func contains(_ name: String) -> Bool {
    guard let dot = name.lastIndex(of: ".") else { return self == .texts }
    let ending = name[name.index(after: dot)...].lowercased()
    return self == .images ? Image.endings.contains(ending) : ending == "txt"
  }

  /// What is wrong with what is none that can be read.
  func words(forStray file: FolderListing.Entry) -> String {
    if !file.isFolder, self == .images, let other = ForeignImage(named: file.name) { return other.words }
    let endings =
      self == .images ? "none of " + Image.endings.joined(separator: ", ") : "no file *.txt or without an ending"
    return "is \(file.isFolder ? "a folder inside a class" : endings); move it elsewhere"
  }
}

/// A folder with a folder of files for each class.
struct ClassFolders {
  struct File {
    var className: String
    /// `CLASS/FILE`
    var path: String
    /// Bytes.
    var size: Int
    var hash: UInt64
  }

  let path: String
  let names: [String]
  let files: [File]
  /// What is wrong with what lies in folders of classes and is none of these files.
  private(set) var strays: [String] = []

  init(_ path: String, of kind: ClassFileKind, _ notes: inout [String]) throws(DatasetError) {
    self.path = path
    let listing = try FolderListing(path)
    names = listing.folders
    guard !names.isEmpty else {
      throw DatasetError(
        .missing, "\(path) has no folders: put the \(kind.words) of each class into a folder of its name")
    }
    let loose = listing.files.filter { kind.contains($0.name) }
    if !loose.isEmpty {
      notes.append(
        "\(loose.count) \(kind.words) lie in \(path) itself, such as \(loose[0].name): they belong to no class")
    }
    for name in listing.hiddenFolders {
      let hidden = try FolderListing(path + "/" + name).files.count { kind.contains($0.name) }
      if hidden > 0 { notes.append("\(path)/\(name) is hidden by its name: its \(hidden) \(kind.words) are not used") }
    }
    var (files, empty) = ([File](), [String]())
    for name in names {
      let inside = try FolderListing(path + "/" + name).entries
      if inside.isEmpty { empty.append(name) }
      for file in inside {
        guard !file.isFolder, kind.contains(file.name) else {
          strays.append("\(path)/\(name)/\(file.name) \(kind.words(forStray: file))")
          continue
        }
        let place = name + "/" + file.name
        files.append(File(className: name, path: place, size: file.size, hash: SplitHash.of(place)))
      }
    }
    if !empty.isEmpty {
      notes.append("\(path) has no \(kind.words) of class \(ClassOrder.words(empty)): the folder is empty")
    }
    self.files = files
  }
}

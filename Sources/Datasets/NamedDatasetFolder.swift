#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension NamedDataset {
  /// The first folder that holds all files; an error names them and where to put them.
  public func folder(given: String? = nil) throws(DatasetError) -> String {
    let folders = folders(given: given)
    if let found = existingFolder(given: given) { return found }
    let looked = folders.isEmpty ? "anywhere" : folders.joined(separator: ", ")
    var notes = ""
    if let given, let other = Self.otherName(of: given, than: name), !folders.contains(given) {
      notes = " (\(given) itself is left out: its name says \(other))"
    }
    let install = debianPackage.map { "install the Debian package \($0), or " } ?? ""
    let names = archive.map { "of \($0.name), unpacked, that is " } ?? ""
    let suffix = archive == nil ? ".gz" : ""
    throw DatasetError(
      .missing,
      "\(name) is not in \(looked)\(notes). To have it, run switchback data fetch \(name), or \(install)put the files "
        + names + files.map { $0.name + suffix }.joined(separator: ", ") + " into a folder and name it with "
        + "--data FOLDER or $SWITCHBACK_DATA")
  }

  /// The first folder that holds all files, if one does.
  public func existingFolder(given: String? = nil) -> String? {
    folders(given: given).first { folder in files.allSatisfy { Self.path(of: $0.name, in: folder) != nil } }
  }

  /// The folders in the order they are tried: below the given one, or else `$SWITCHBACK_DATA`, the cache, Debian's.
  public func folders(given: String?) -> [String] {
    var folders: [String] = []
    let names = [name] + (archive.map { [$0.folder] } ?? [])
    if let root = given ?? Self.variable("SWITCHBACK_DATA") {
      folders += names.map { root + "/" + $0 }
      if Self.otherName(of: root, than: name) == nil, !Self.isCollection(root) { folders.append(root) }
    }
    guard given == nil else { return folders }
    if let cacheFolder { folders.append(cacheFolder) }
    if let debianFolder { folders.append(debianFolder) }
    return folders
  }

  /// `~/.cache/switchback/datasets/<name>`.
  public var cacheFolder: String? {
    CacheFolder.path.map { $0 + "/datasets/" + name }
  }

  /// Where fetched files go, which is among the folders that are looked into: `$SWITCHBACK_DATA/<name>`, or the folder there
  /// that has them already; the cache where that is not set, cannot be written, or is the folder of another data set.
  public var fetchFolder: String? {
    guard let root = Self.variable("SWITCHBACK_DATA") else { return cacheFolder }
    if let found = existingFolder(given: root) { return found }
    // With a folder of another name in it, it would count as a collection, and its own files would not be found.
    let isTaken = Self.all.contains { $0.existingFolder(given: root) == root }
    return isTaken || !Self.canMake(root) ? cacheFolder : root + "/" + name
  }

  /// Whether files can be put there: into the folder or, before it is made, the nearest around it.
  private static func canMake(_ folder: String) -> Bool {
    var path = folder
    while access(path, F_OK) != 0 {
      guard let slash = path.lastIndex(of: "/") else { return access(".", W_OK) == 0 }
      path = slash == path.startIndex ? "/" : String(path[..<slash])
    }
    return access(path, W_OK | X_OK) == 0
  }

  /// Files of several data sets have the same names: a folder that is called `Fashion-MNIST` is not taken for MNIST.
  private static func otherName(of folder: String, than name: String) -> String? {
    func letters(_ text: some StringProtocol) -> String { text.lowercased().filter { $0.isLetter || $0.isNumber } }
    // `data/mnist/.` or a symbolic link: what it is called in the end.
    let resolved = realpath(folder, nil)
    defer { free(resolved) }
    let path = resolved.map { String(cString: $0) } ?? folder
    let last = letters(path.split(separator: "/").last ?? "")
    // `fashion-mnist` holds `mnist`, `cifar-100` holds `cifar-10`: the longest name counts.
    let told = all.map(\.name).filter { last.contains(letters($0)) }.max { $0.count < $1.count }
    return told == name ? nil : told
  }

  /// Whether the folder has folders of data sets in it; it is then none itself.
  private static func isCollection(_ folder: String) -> Bool {
    all.contains { access(folder + "/" + $0.name, F_OK) == 0 }
  }

  static func path(of file: String, in folder: String) -> String? {
    [folder + "/" + file + ".gz", folder + "/" + file].first { access($0, R_OK) == 0 }
  }

  /// A variable that is empty counts as unset.
  static func variable(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
  }
}

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What lies in a folder, but for hidden entries (whose names begin with a period), by the UTF-8 bytes of the names.
/// What cannot be read is an error: left out, it would be missing from the data in silence.
struct FolderListing {
  struct Entry {
    var name: String
    var isFolder: Bool
    /// Bytes.
    var size: Int
  }

  let path: String
  let entries: [Entry]
  /// Folders whose names begin with a period.
  let hiddenFolders: [String]

  init(_ path: String) throws(DatasetError) {
    self.path = path
    guard let folder = opendir(path) else {
      let code = errno
      throw DatasetError(
        .missing, "\(path) is no folder that can be read: \(WorkingFolder.reason(code, for: path))")
    }
    defer { closedir(folder) }
    var (entries, hidden) = ([Entry](), [String]())
    while true {
      errno = 0
      guard let item = readdir(folder) else {
        guard errno == 0 else {
          throw DatasetError(.invalid, "\(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        break
      }
      let bytes = withUnsafePointer(to: &item.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: UInt8.self, capacity: Int(NAME_MAX) + 1) { start in
          Array(
            UnsafeBufferPointer(
              start: start, count: strlen(UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self))))
        }
      }
      if bytes.first == UInt8(ascii: ".") {
        var info = stat()
        if let name = String(validating: bytes, as: UTF8.self), name != ".", name != "..",
          stat(path + "/" + name, &info) == 0, info.st_mode & S_IFMT == S_IFDIR
        {
          hidden.append(name)
        }
        continue
      }
      guard let name = String(validating: bytes, as: UTF8.self) else {
        throw DatasetError(
          .invalid,
          "\(path)/\(String(decoding: bytes, as: UTF8.self)): the name is no UTF-8; rename it (convmv -f latin1 -t utf8 "
            + "--notest does so for whole folders)")
      }
      var info = stat()
      guard stat(path + "/" + name, &info) == 0 else {
        let code = errno
        throw DatasetError(
          .invalid,
          "\(path)/\(name) "
            + (code == ENOENT || code == ELOOP
              ? "is a link to what is not there; mend or remove it"
              : "cannot be read: \(String(cString: strerror(code)))"))
      }
      let kind = info.st_mode & S_IFMT
      guard kind == S_IFDIR || kind == S_IFREG else {
        throw DatasetError(.invalid, "\(path)/\(name) is neither a file nor a folder; move it elsewhere")
      }
      entries.append(Entry(name: name, isFolder: kind == S_IFDIR, size: Int(info.st_size)))
    }
    hiddenFolders = hidden.sorted()
    self.entries = entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  var folders: [String] { entries.filter(\.isFolder).map(\.name) }
  var files: [Entry] { entries.filter { !$0.isFolder } }
}

import Foundation

/// Writing files that are either whole or not there.
public enum AtomicFile {
  /// Writes to a temporary file in the same folder, makes it durable, renames it, and makes the folder durable. A link
  /// stays one, and its target is written, whether it is there yet or not; a device, a pipe or an open file
  /// (`/dev/stdout`) is written to as it is.
  public static func write(_ data: Data, to path: String) throws(FileError) {
    let path = target(of: path)
    if let file = openFile(path) { return try write(data, to: file, of: path) }
    var status = stat()
    let exists = stat(path, &status) == 0
    if exists, status.st_mode & S_IFMT != S_IFREG { return try writeDirectly(data, to: path) }
    let temporary = path + ".partial-\(getpid())"
    let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw FileError(path, .make) }
    if exists { fchmod(file, status.st_mode & 0o777) }
    var failure: FileError?
    do {
      try write(data, to: file, of: path)
      if fsync(file) != 0 { failure = FileError(path, .write) }
    } catch { failure = error }
    if close(file) != 0, failure == nil { failure = FileError(path, .write) }
    if failure == nil, rename(temporary, path) != 0 { failure = FileError(path, .write) }
    if let failure {
      unlink(temporary)
      throw failure
    }
    let folder = open(URL(fileURLWithPath: path).deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }

  public static func write(_ text: String, to path: String) throws(FileError) { try write(Data(text.utf8), to: path) }

  /// Writes a file that was not there, one of many that count only once a last one, written by `write`, names them: it is
  /// not made durable by itself. What has its name, a link too, is an error.
  public static func writeNew(_ data: Data, to path: String) throws(FileError) {
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard file >= 0 else { throw FileError(path, .make) }
    var failure: FileError?
    do { try write(data, to: file, of: path) } catch { failure = error }
    if close(file) != 0, failure == nil { failure = FileError(path, .write) }
    guard let failure else { return }
    unlink(path)
    throw failure
  }

  /// Where the links of a path lead to at last, one by one, since what they name need not be there.
  private static func target(of path: String) -> String {
    var path = path
    // As many as the system follows.
    for _ in 0..<40 where openFile(path) == nil {
      guard let next = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else { break }
      let folder = path.lastIndex(of: "/").map { path[...$0] } ?? ""
      path = next.hasPrefix("/") ? next : folder + next
    }
    return path
  }

  /// The number of a file that this process has open: its link is no name (such a file may have lost its own), and what
  /// else is written to it goes behind.
  private static func openFile(_ path: String) -> Int32? {
    for folder in ["/dev/fd/", "/proc/self/fd/", "/proc/\(getpid())/fd/"] where path.hasPrefix(folder) {
      return Int32(path.dropFirst(folder.count))
    }
    return nil
  }

  private static func writeDirectly(_ data: Data, to path: String) throws(FileError) {
    let file = open(path, O_WRONLY | O_CLOEXEC)
    guard file >= 0 else { throw FileError(path, .make) }
    defer { close(file) }
    try write(data, to: file, of: path)
  }

  /// All of the bytes to an open file.
  static func write(_ data: Data, to file: Int32, of path: String) throws(FileError) {
    var rest = data[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw FileError(path, .write, code: count < 0 ? errno : ENOSPC) }
      rest = rest.dropFirst(count)
    }
  }

  /// Removes the temporary files of writers that were killed. Only for a folder that nobody else writes to.
  public static func removePartialFiles(in folder: String) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for name in names {
      guard let writer = writer(of: name), writer > 0 else { continue }
      // In a container a later process often has the number of the one before: we have begun no file here yet.
      guard writer == getpid() || kill(writer, 0) != 0 && errno == ESRCH else { continue }
      unlink(folder + "/" + name)
    }
  }

  /// The process that writes, or wrote, the temporary file of this name; nil of other files.
  private static func writer(of name: String) -> pid_t? {
    if let mark = name.range(of: ".partial-", options: .backwards) { return pid_t(name[mark.upperBound...]) }
    // Foundation's, which wrote files before `AtomicFile` did.
    guard name.hasPrefix(".dat.nosync") else { return nil }
    return pid_t(name.dropFirst(11).prefix { $0.isHexDigit }, radix: 16)
  }
}

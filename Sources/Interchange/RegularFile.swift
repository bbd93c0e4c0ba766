import Foundation

/// Reading files of a known size.
public enum RegularFile {
  /// All bytes of a regular file: of a device or a pipe nobody knows how many there are.
  public static func read(_ path: String) throws(FileError) -> Data {
    let (file, byteCount) = try opened(path)
    defer { close(file) }
    // What another process adds meanwhile belongs to the next reading.
    var data = Data(count: byteCount)
    var done = 0
    while done < data.count {
      let count = data.withUnsafeMutableBytes { Foundation.read(file, $0.baseAddress! + done, $0.count - done) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw FileError(path, .read) }
      if count == 0 { break }
      done += count
    }
    return data.prefix(done)
  }
  /// Opens a regular file for reading; whoever calls closes it.
  static func opened(_ path: String) throws(FileError) -> (file: Int32, byteCount: Int) {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw FileError(path, .read) }
    var status = stat()
    guard fstat(file, &status) == 0 else {
      let error = FileError(path, .read)
      close(file)
      throw error
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      close(file)
      throw FileError(path, .read, code: status.st_mode & S_IFMT == S_IFDIR ? EISDIR : ESPIPE)
    }
    // A file with holes may say that it has more bytes than any memory.
    guard UInt64(status.st_size) <= ProcessInfo.processInfo.physicalMemory else {
      close(file)
      throw FileError(path, .read, code: ENOMEM)
    }
    return (file, Int(status.st_size))
  }
}

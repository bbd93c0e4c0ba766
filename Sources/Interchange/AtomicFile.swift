import Foundation

/// Writing files that are either whole or not there.
public enum AtomicFile {
  public struct WriteError: Error, Hashable, Sendable, CustomStringConvertible {
    public var path: String
    public var code: Int32
    public var description: String { "\(path) cannot be written: \(String(cString: strerror(code)))" }
  }

  /// Writes to a temporary file in the same folder, makes it durable, renames it, and makes the folder durable.
  public static func write(_ data: Data, to path: String) throws(WriteError) {
    let temporary = path + ".partial-\(getpid())"
    let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    guard file >= 0 else { throw WriteError(path: path, code: errno) }
    var failure: Int32 = 0
    data.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let count = Foundation.write(file, bytes.baseAddress! + done, bytes.count - done)
        if count < 0 {
          if errno == EINTR { continue }
          failure = errno
          return
        }
        done += count
      }
      if fsync(file) != 0 { failure = errno }
    }
    if close(file) != 0, failure == 0 { failure = errno }
    if failure == 0, rename(temporary, path) != 0 { failure = errno }
    guard failure == 0 else {
      unlink(temporary)
      throw WriteError(path: path, code: failure)
    }
    let folder = open(URL(fileURLWithPath: path).deletingLastPathComponent().path, O_RDONLY | O_DIRECTORY)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }
}

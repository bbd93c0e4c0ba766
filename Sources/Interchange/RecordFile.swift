public import Foundation

/// A file to whose end bytes are added, a record in one piece: whoever is killed meanwhile leaves at most the last one torn.
public final class RecordFile {
  public let path: String
  private let file: Int32

  /// Opens a file, with the first bytes of what it holds, or makes it.
  public init(_ path: String, keeping byteCount: Int = 0) throws(FileError) {
    self.path = path
    file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw FileError(path, .make) }
    do { try cut(to: byteCount) } catch {
      close(file)
      throw error
    }
  }

  deinit { close(file) }

  public func append(_ record: Data) throws(FileError) { try AtomicFile.write(record, to: file, of: path) }

  /// Takes away what lies behind; where less is there, nothing.
  public func cut(to byteCount: Int) throws(FileError) {
    var status = stat()
    guard fstat(file, &status) == 0 else { throw FileError(path, .write) }
    guard status.st_size > byteCount else { return }
    while ftruncate(file, off_t(byteCount)) != 0 {
      guard errno == EINTR else { throw FileError(path, .write) }
    }
  }
}

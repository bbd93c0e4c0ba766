import Foundation

/// Reading what people write by hand: configurations, programs.
public enum TextFile {
  /// More than anybody writes: what goes on beyond it is a device without an end, or another kind of file.
  public static let mostBytes = 16 << 20

  /// All text of a file or a pipe; of a pipe that nobody writes to, none.
  public static func read(_ path: String) throws(FileError) -> String {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw FileError(path, .read) }
    defer { close(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Foundation.read(file, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN {
        var wait = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
        poll(&wait, 1, -1)
        continue
      }
      guard count >= 0 else { throw FileError(path, .read) }
      if count == 0 { break }
      bytes += chunk[..<count]
      guard bytes.count <= mostBytes else { throw FileError(path, .read, code: EFBIG) }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else { throw FileError(path, .read, code: EILSEQ) }
    return text
  }
}

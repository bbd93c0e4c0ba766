import Foundation
import Switchback

/// A file in the temporary folder that has no name any more: nothing of it stays, however we end.
final class UnnamedFile {
  let descriptor: Int32
  private let name: String

  init() throws(FileError) {
    name = FileManager.default.temporaryDirectory.appendingPathComponent("switchback-\(UUID().uuidString)").path
    descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileError(name, .make) }
    unlink(name)
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// From its beginning, whatever others have read and written; without the spaces that `checkRoom` writes.
  var text: String {
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = pread(descriptor, &part, part.count, off_t(bytes.count))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      bytes += part[..<count]
    }
    return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: CharacterSet(charactersIn: " "))
  }

  /// Takes a page for it: a full disk is told before something is lost. The contents become spaces.
  func checkRoom() throws(FileError) {
    let page = [UInt8](repeating: 0x20, count: 4096)
    let count = pwrite(descriptor, page, page.count, 0)
    guard count == page.count else {
      throw FileError((name as NSString).deletingLastPathComponent, .write, code: count < 0 ? errno : ENOSPC)
    }
  }
}

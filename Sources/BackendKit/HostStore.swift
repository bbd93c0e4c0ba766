#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif
import Synchronization

/// Small results of tuning that backends keep, by key: for this process, and where there is a folder for the next ones.
///
/// A key is a file whose name is the key in hexadecimal digits: an FNV-1a checksum, then the bytes. A file that does not
/// fit its checksum counts as none, since tuning can be done again.
final class HostStore: Sendable {
  private let folder: String?
  private let values = Mutex<[String: [UInt8]]>([:])
  private static let longestKey = 100
  private static let mostBytes = 16 << 20

  init(folder: String?) { self.folder = folder }

  func recall(_ key: String) -> [UInt8]? {
    values.withLock { values in
      if let known = values[key] { return known }
      let found = read(key)
      values[key] = found
      return found
    }
  }

  /// Whether the key and its bytes could be kept; for the next process they are kept if the disk allows it.
  func remember(_ key: String, _ bytes: [UInt8]) -> Bool {
    guard !key.isEmpty, key.utf8.count <= Self.longestKey, bytes.count <= Self.mostBytes else { return false }
    values.withLock { values in
      values[key] = bytes
      write(key, bytes)
    }
    return true
  }

  // MARK: Files

  private func path(_ key: String) -> String? {
    guard let folder, key.utf8.count <= Self.longestKey else { return nil }
    let digits = Array("0123456789abcdef".utf8)
    let name = key.utf8.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return folder + "/" + String(decoding: name, as: UTF8.self)
  }

  private func read(_ key: String) -> [UInt8]? {
    guard let path = path(key), let file = fopen(path, "rb") else { return nil }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: Self.mostBytes + 8)
    bytes.removeSubrange(fread(&bytes, 1, bytes.count, file)...)
    guard bytes.count >= 8 else { return nil }
    let contents = Array(bytes[8...])
    return Self.checksum(contents) == Array(bytes[..<8]) ? contents : nil
  }

  private func write(_ key: String, _ bytes: [UInt8]) {
    guard let folder, let path = path(key) else { return }
    Self.makeFolders(folder)
    // Another process may write the same key: each has its own temporary file, and the last rename stands.
    let temporary = path + ".\(getpid())"
    guard let file = fopen(temporary, "wb") else { return }
    let all = Self.checksum(bytes) + bytes
    let isWhole = fwrite(all, 1, all.count, file) == all.count
    if fclose(file) != 0 || !isWhole || rename(temporary, path) != 0 { unlink(temporary) }
  }

  private static func makeFolders(_ folder: String) {
    var path = ""
    for part in folder.split(separator: "/", omittingEmptySubsequences: false) {
      path += path.isEmpty && part.isEmpty ? "/" : (path.isEmpty || path == "/" ? "" : "/") + part
      mkdir(path, 0o755)
    }
  }

  private static func checksum(_ bytes: [UInt8]) -> [UInt8] {
    var fingerprint = Fingerprint()
    fingerprint.mix(bytes: bytes)
    return (0..<8).map { UInt8(truncatingIfNeeded: fingerprint.value >> (8 * UInt64($0))) }
  }
}

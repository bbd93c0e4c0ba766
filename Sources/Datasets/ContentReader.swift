#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Reads files of a data set whole, unpacked where they are gzip; each is read once for its bytes and its checksum.
final class ContentReader {
  /// Whether somebody will ask for `identity`: otherwise no `sha256sum` is needed.
  private let makesSums: Bool
  private var sums: [String: RunningChecksum] = [:]

  init(makesSums: Bool = true) { self.makesSums = makesSums }

  func read(_ path: String) throws(DatasetError) -> [UInt8] {
    guard makesSums else { return try FileBytes.read(path) }
    let sum = try RunningChecksum()
    let bytes = try FileBytes.read(path) { sum.add($0) }
    // A gzip file that is not called `.gz` has the checksum of its packed bytes: this one, of the unpacked, is not it.
    var info = stat()
    if path.hasSuffix(".gz") || stat(path, &info) == 0 && info.st_size == bytes.count { sums[path] = sum }
    return bytes
  }

  /// What the files hold together, as `Checksum.identity(ofContents:)` says it, in the order of `paths`. Those that were
  /// not read are read for it.
  func identity(of paths: [String]) throws(DatasetError) -> String {
    var found: [String] = []
    for path in paths { found.append(try sha256(of: path)) }
    return try Checksum.identity(of: found)
  }

  /// Of a file's content, as `Checksum.sha256(ofContent:)` says it; once.
  func sha256(of path: String) throws(DatasetError) -> String {
    if let sum = sums.removeValue(forKey: path) { return try sum.finish() }
    return try Checksum.sha256(ofContent: path)
  }
}

import SwitchbackImageFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A whole file in memory, unpacked where it is gzip.
enum FileBytes {
  /// More than any file of a data set known by name, or any picture, has: a few packed bytes may unpack to any number.
  private static let mostBytes = 512 << 20

  static func read(_ path: String) throws(DatasetError) -> [UInt8] {
    // A device may never end, and a pipe may never begin.
    var info = stat()
    if stat(path, &info) == 0, info.st_mode & S_IFMT != S_IFREG {
      throw DatasetError(.invalid, "\(path) is no regular file")
    }
    var count: UInt64 = 0
    guard let memory = switchback_read_file(path, UInt64(mostBytes), &count) else {
      let code = errno
      if code == EFBIG {
        throw DatasetError(.invalid, "\(path) is, or unpacks to, more than \(mostBytes >> 20) MiB: it is another file")
      }
      guard code == 0 else {
        throw DatasetError(code == ENOENT ? .missing : .invalid, "\(path): \(String(cString: strerror(code)))")
      }
      throw DatasetError(.corrupt, "\(path) is a broken gzip file; remove it and fetch it again")
    }
    defer { free(memory) }
    let data = UnsafeBufferPointer(start: memory, count: Int(count))
    if data.count >= 2, data[0] == 0x1f, data[1] == 0x8b {
      throw DatasetError(
        .invalid, "\(path) is gzip, which this build cannot read (package trait ImageFiles); unpack it with gunzip")
    }
    return Array(data)
  }
}

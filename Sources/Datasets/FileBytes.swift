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
  static let mostBytes = 512 << 20

  /// `advice` is what helps where it is gzip and broken; `pass` sees the bytes piece by piece.
  static func read(
    _ path: String, advice: String = "remove it and fetch it again",
    passing pass: ((UnsafeBufferPointer<UInt8>) -> Void)? = nil
  ) throws(DatasetError) -> [UInt8] {
    // A device may never end, and a pipe may never begin.
    var info = stat()
    if stat(path, &info) == 0, info.st_mode & S_IFMT != S_IFREG {
      throw DatasetError(.invalid, "\(path) is no regular file")
    }
    var pieces = Pieces(pass: pass)
    let isRead = withUnsafeMutablePointer(to: &pieces) { pieces in
      switchback_read_file(
        path, UInt64(mostBytes),
        { pieces, piece, count in
          pieces?.assumingMemoryBound(to: Pieces.self).pointee.add(UnsafeBufferPointer(start: piece, count: Int(count)))
        }, pieces)
    }
    guard isRead != 0 else {
      let code = errno
      if code == EFBIG {
        throw DatasetError(.invalid, "\(path) is, or unpacks to, more than \(mostBytes >> 20) MiB: it is another file")
      }
      guard code == 0 else {
        throw DatasetError(code == ENOENT ? .missing : .invalid, "\(path): \(String(cString: strerror(code)))")
      }
      throw DatasetError(.corrupt, "\(path) begins as a gzip file, and is broken: \(advice)")
    }
    let data = pieces.bytes
    if data.count >= 2, data[0] == 0x1f, data[1] == 0x8b {
      throw DatasetError(
        .invalid, "\(path) is gzip, which this build cannot read (package trait ImageFiles); unpack it with gunzip")
    }
    return data
  }

  private struct Pieces {
    let pass: ((UnsafeBufferPointer<UInt8>) -> Void)?
    var bytes: [UInt8] = []

    init(pass: ((UnsafeBufferPointer<UInt8>) -> Void)?) { self.pass = pass }

    mutating func add(_ piece: UnsafeBufferPointer<UInt8>) {
      pass?(piece)
      bytes += piece
    }
  }

  /// How a file of another kind begins, for people: its text, or its first bytes in hexadecimal.
  static func beginning(of bytes: some Sequence<UInt8>) -> String {
    let first = Array(bytes.prefix(16))
    guard !first.allSatisfy({ (0x20..<0x7f).contains($0) || $0 == 9 || $0 == 10 || $0 == 13 }) else {
      let line = first.prefix { $0 >= 0x20 }
      return "\"\(String(decoding: line, as: UTF8.self))\""
    }
    return first.prefix(4).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
  }
}

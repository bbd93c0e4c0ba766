#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A text file whose rows are read one by one: first all in order, later each where it lies. Only where rows begin is
/// kept in memory. (Rows are read by `pread`, not mapped: a file that gets shorter is an error then, not a crash.)
final class RowFile: Sendable {
  let path: String
  private let file: Int32

  /// Where a row lies, its line's end not included.
  struct Span: Sendable {
    var offset: Int
    var count: Int
  }

  /// A quote that is not closed would make the rest of the file one row.
  private static let longestRow = 1 << 26

  /// Where rows are read once, it may be a pipe. `advice` says what names the file, where that is not the path itself.
  init(_ path: String, mayBePipe: Bool = false, advice: String = "") throws(DatasetError) {
    self.path = path
    file = open(path, O_RDONLY | O_CLOEXEC | (mayBePipe ? 0 : O_NONBLOCK))
    guard file >= 0 else {
      let code = errno
      throw DatasetError(
        code == ENOENT ? .missing : .invalid,
        "\(path): \(WorkingFolder.reason(code, for: path))\(advice)")
    }
    var status = stat()
    // Rows are read again, each where it lies: of a pipe or a device they cannot be.
    let kinds = [S_IFREG] + (mayBePipe ? [S_IFIFO] : [])
    guard fstat(file, &status) == 0, kinds.contains(status.st_mode & S_IFMT) else {
      throw DatasetError(.invalid, "\(path) is no regular file\(advice)")
    }
  }

  /// What comes in on standard input. Rows can be read again only where that is a file.
  static func standardInput() throws(DatasetError) -> RowFile { try RowFile(path: "standard input", file: dup(0)) }

  private init(path: String, file: Int32) throws(DatasetError) {
    (self.path, self.file) = (path, file)
    guard file >= 0 else { throw DatasetError(.missing, "there is no standard input") }
  }

  deinit { close(file) }

  /// Of a file that a configuration names.
  static let adviceOnData = "; data.path or --data names the file"

  /// Calls `body` with every row that is not empty, where it lies, and the number of its first line, from 1. Line ends
  /// within quotes belong to the row.
  func forEachRow(
    _ body: (UnsafeBufferPointer<UInt8>, Span, Int) throws(DatasetError) -> Void
  ) throws(DatasetError) {
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    var row: [UInt8] = []
    var (offset, start, line, firstLine) = (0, 0, 1, 1)
    var isQuoted = false
    func finish() throws(DatasetError) {
      if row.last == 13 { row.removeLast() }
      if !row.isEmpty {
        try Self.withBytes(of: row) { bytes throws(DatasetError) in
          try body(bytes, Span(offset: start, count: bytes.count), firstLine)
        }
      }
      row.removeAll(keepingCapacity: true)
    }
    while true {
      var got = pread(file, &chunk, chunk.count, off_t(offset))
      if got < 0, errno == ESPIPE { got = Self.read(file, &chunk) }
      guard got >= 0 else { throw DatasetError(.invalid, "\(path): \(String(cString: strerror(errno)))") }
      guard got > 0 else { break }
      // The mark that some programs begin UTF-8 files with.
      let first = offset == 0 && chunk.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
      if offset == 0, let kind = Self.otherKind(chunk[..<got]) {
        throw DatasetError(.invalid, "\(path) is \(kind)")
      }
      if offset == 0 { start = first }
      for index in first..<got {
        let byte = chunk[index]
        if byte == 10 { line += 1 }
        if byte == CSVRow.quote { isQuoted.toggle() }
        if byte == 10, !isQuoted {
          try finish()
          (start, firstLine) = (offset + index + 1, line)
        } else {
          row.append(byte)
        }
      }
      offset += got
      guard row.count <= Self.longestRow else {
        throw DatasetError(
          .corrupt,
          "\(path):\(firstLine):1: a row goes on for more than \(Self.longestRow) bytes; is a quote not closed?")
      }
    }
    try finish()
  }

  /// What a file is that begins so, where it is no text that can be read here, and what makes it one.
  private static func otherKind(_ bytes: ArraySlice<UInt8>) -> String? {
    if bytes.starts(with: [0x1f, 0x8b]) { return "packed with gzip: unpack it with gunzip" }
    if bytes.starts(with: [0x50, 0x4b, 3, 4]) { return "a zip file (a spreadsheet, perhaps): save it as CSV" }
    if bytes.starts(with: [0xff, 0xfe]) || bytes.starts(with: [0xfe, 0xff]) {
      return "text in UTF-16: convert it with iconv -f UTF-16 -t UTF-8"
    }
    if bytes.prefix(1000).contains(0) { return "no text: it has zero bytes" }
    if bytes.contains(13), !bytes.contains(10) {
      return "text whose lines end with a carriage return alone: convert it with tr '\\r' '\\n'"
    }
    return nil
  }

  /// The next bytes of a pipe.
  private static func read(_ file: Int32, _ chunk: inout [UInt8]) -> Int {
    while true {
      #if canImport(Darwin)
        let got = Darwin.read(file, &chunk, chunk.count)
      #elseif canImport(Musl)
        let got = Musl.read(file, &chunk, chunk.count)
      #else
        let got = Glibc.read(file, &chunk, chunk.count)
      #endif
      if got >= 0 || errno != EINTR { return got }
    }
  }

  /// The number of the line, from 1, that the byte at `offset` lies in: for saying where something is wrong.
  func line(at offset: Int) -> Int {
    var chunk = [UInt8](repeating: 0, count: 1 << 20)
    var (position, line) = (0, 1)
    while position < offset {
      let got = pread(file, &chunk, min(chunk.count, offset - position), off_t(position))
      guard got > 0 else { break }
      line += chunk[..<got].count { $0 == 10 }
      position += got
    }
    return line
  }

  private static func withBytes(
    of row: [UInt8], _ body: (UnsafeBufferPointer<UInt8>) throws(DatasetError) -> Void
  ) throws(DatasetError) {
    let result = row.withUnsafeBufferPointer { bytes -> Result<Void, DatasetError> in
      do throws(DatasetError) { return .success(try body(bytes)) } catch { return .failure(error) }
    }
    try result.get()
  }

  /// Reads one row again.
  func withRow(
    _ span: Span, _ body: (UnsafeBufferPointer<UInt8>) throws(DatasetError) -> Void
  ) throws(DatasetError) {
    let result = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: span.count) {
      bytes -> Result<Void, DatasetError> in
      let got = pread(file, bytes.baseAddress, span.count, off_t(span.offset))
      do throws(DatasetError) {
        guard got == span.count else {
          throw DatasetError(.corrupt, "\(path) has changed: there are no \(span.count) bytes at \(span.offset)")
        }
        return .success(try body(UnsafeBufferPointer(bytes)))
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }
}

import SwitchbackImageFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// An IDX file of bytes, plain or gzip: magic `00 00 08 rank`, big-endian extents, then the elements
/// (LeCun, Cortes and Burges, the MNIST page).
public struct IDXFile: Sendable {
  public let extents: [Int]
  public let bytes: [UInt8]

  public init(path: String) throws(DatasetError) {
    var count: UInt64 = 0
    guard let memory = switchback_read_file(path, &count) else {
      let code = errno
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
    guard data.count >= 4, data[0] == 0, data[1] == 0 else {
      throw DatasetError(.corrupt, "\(path) is no IDX file: it begins with \(data.prefix(4).map { $0 })")
    }
    guard data[2] == 8 else {
      throw DatasetError(.invalid, "\(path) holds elements of IDX type \(data[2]); only bytes (8) are read")
    }
    let rank = Int(data[3])
    guard rank >= 1, rank <= 4, data.count >= 4 + 4 * rank else {
      throw DatasetError(.corrupt, "\(path) ends inside its header (\(data.count) bytes, rank \(rank))")
    }
    extents = (0..<rank).map { axis in (0..<4).reduce(0) { $0 << 8 | Int(data[4 + 4 * axis + $1]) } }
    // Extents come from the file: their product may be anything.
    var expected = 1
    for extent in extents {
      let (product, overflow) = expected.multipliedReportingOverflow(by: extent)
      guard !overflow, product <= 1 << 40 else {
        throw DatasetError(.corrupt, "\(path) states impossible extents \(extents)")
      }
      expected = product
    }
    let start = 4 + 4 * rank
    guard data.count - start == expected else {
      throw DatasetError(
        .corrupt,
        "\(path) should hold \(expected) bytes for \(extents), but holds \(data.count - start); "
          + "remove it and fetch it again")
    }
    bytes = Array(data[start...])
  }
}

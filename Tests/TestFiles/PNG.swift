/// Writes PNG files of 8-bit gray (1 channel), color (3), or color with opacity (4), without compression.
public enum PNG {
  public static func encode(width: Int, height: Int, channels: Int, pixels: [UInt8]) -> [UInt8] {
    let colorType: UInt8 = channels == 1 ? 0 : channels == 3 ? 2 : 6
    var rows: [UInt8] = []
    for y in 0..<height { rows += [0] + pixels[y * width * channels..<(y + 1) * width * channels] }
    return [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
      + chunk("IHDR", big(UInt32(width)) + big(UInt32(height)) + [8, colorType, 0, 0, 0]) + chunk("IDAT", stored(rows))
      + chunk("IEND", [])
  }

  /// A zlib stream of stored blocks (RFC 1950, RFC 1951 § 3.2.4).
  private static func stored(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = [0x78, 0x01]
    for start in stride(from: 0, to: bytes.count, by: 65535) {
      let block = bytes[start..<min(start + 65535, bytes.count)]
      let count = UInt16(block.count)
      result += [start + 65535 >= bytes.count ? 1 : 0]
      result += [UInt8(count & 255), UInt8(count >> 8), UInt8(~count & 255), UInt8(~count >> 8)] + block
    }
    var (a, b): (UInt32, UInt32) = (1, 0)
    for byte in bytes {
      a = (a + UInt32(byte)) % 65521
      b = (b + a) % 65521
    }
    return result + big(b << 16 | a)
  }

  private static func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(type.utf8) + data
    return big(UInt32(data.count)) + body + checksum(body[...])
  }

  private static func checksum(_ body: ArraySlice<UInt8>) -> [UInt8] {
    var crc = ~UInt32(0)
    for byte in body {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
    }
    return big(~crc)
  }

  /// Makes the checksums of a file's chunks anew, as far as chunks lie within it.
  public static func mendChecksums(_ bytes: inout [UInt8]) {
    var start = 8
    while start + 12 <= bytes.count {
      let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
      let end = start + 8 + length
      guard end + 4 <= bytes.count else { return }
      bytes.replaceSubrange(end..<end + 4, with: checksum(bytes[start + 4..<end]))
      start = end + 4
    }
  }

  private static func big(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(value >> (24 - 8 * $0) & 255) } }
}

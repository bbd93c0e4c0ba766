extension Image {
  /// The picture as a PNG file of 8-bit gray or color, without compression; see www.w3.org/TR/png-3.
  public var png: [UInt8] {
    var rows: [UInt8] = []
    rows.reserveCapacity(pixels.count + height)
    for row in 0..<height {
      // No filter.
      rows.append(0)
      rows += pixels[row * width * channels..<(row + 1) * width * channels]
    }
    let header = PNGWriter.big(UInt32(width)) + PNGWriter.big(UInt32(height)) + [8, channels == 1 ? 0 : 2, 0, 0, 0]
    return [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
      + PNGWriter.chunk("IHDR", header) + PNGWriter.chunk("IDAT", PNGWriter.stored(rows))
      + PNGWriter.chunk("IEND", [])
  }
}

private enum PNGWriter {
  /// A zlib stream of stored blocks (RFC 1950; RFC 1951, 3.2.4).
  static func stored(_ bytes: [UInt8]) -> [UInt8] {
    let most = 65535
    var result: [UInt8] = [0x78, 0x01]
    result.reserveCapacity(bytes.count + 5 * (bytes.count / most + 1) + 6)
    for start in stride(from: 0, to: bytes.count, by: most) {
      let block = bytes[start..<min(start + most, bytes.count)]
      let count = UInt16(block.count)
      result.append(block.endIndex == bytes.count ? 1 : 0)
      for number in [count, ~count] { result += [UInt8(number & 255), UInt8(number >> 8)] }
      result += block
    }
    // Adler-32.
    var (a, b): (UInt32, UInt32) = (1, 0)
    for byte in bytes {
      a = (a + UInt32(byte)) % 65521
      b = (b + a) % 65521
    }
    return result + big(b << 16 | a)
  }

  static func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(type.utf8) + data
    return big(UInt32(data.count)) + body + big(checksum(body))
  }

  /// CRC-32 of each byte (ISO 3309).
  private static let checksums: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { crc, _ in crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
  }

  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { crc, byte in crc >> 8 ^ checksums[Int((crc ^ UInt32(byte)) & 255)] }
  }

  static func big(_ number: UInt32) -> [UInt8] { (0..<4).map { UInt8(number >> (24 - 8 * $0) & 255) } }
}

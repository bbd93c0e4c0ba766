import Foundation

extension Data {
  mutating func append(_ number: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
  }

  mutating func append(_ number: Double) { append(number.bitPattern) }
  mutating func append(_ number: Float) { append(number.bitPattern) }
}

/// Reads little-endian numbers from bytes of a file, which may hold anything; nil where they end before.
struct ByteReader {
  private let bytes: Data
  private(set) var offset = 0

  init(_ bytes: Data) { self.bytes = bytes }

  var left: Int { bytes.count - offset }

  mutating func data(_ count: Int) -> Data? {
    guard count >= 0, count <= left else { return nil }
    let start = bytes.startIndex + offset
    offset += count
    return bytes[start..<start + count]
  }

  mutating func integer<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) -> Number? {
    guard let part = data(MemoryLayout<Number>.size) else { return nil }
    return Number(littleEndian: part.withUnsafeBytes { $0.loadUnaligned(as: Number.self) })
  }

  mutating func double() -> Double? { integer(UInt64.self).map { Double(bitPattern: $0) } }
  mutating func float() -> Float? { integer(UInt32.self).map { Float(bitPattern: $0) } }
  mutating func text(_ count: Int) -> String? { data(count).map { String(decoding: $0, as: UTF8.self) } }
}

import Foundation

/// Writes messages of Protocol Buffers, field by field.
struct ProtocolBuffer {
  private(set) var bytes = Data()

  mutating func varint(_ field: UInt64, _ value: UInt64) {
    key(field, 0)
    append(value)
  }

  mutating func fixed(_ field: UInt64, _ value: Double) {
    key(field, 1)
    bytes.append(value)
  }

  /// A string, bytes, or numbers packed.
  mutating func data(_ field: UInt64, _ value: Data) {
    key(field, 2)
    append(UInt64(value.count))
    bytes.append(value)
  }

  mutating func text(_ field: UInt64, _ value: String) { data(field, Data(value.utf8)) }

  mutating func message(_ field: UInt64, _ fill: (inout ProtocolBuffer) -> Void) {
    var inner = ProtocolBuffer()
    fill(&inner)
    data(field, inner.bytes)
  }

  private mutating func key(_ field: UInt64, _ wire: UInt64) { append(field << 3 | wire) }

  private mutating func append(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

/// FNV-1a over texts, numbers and bytes: equal choices, equal fingerprints, on every host.
public struct Fingerprint: Sendable {
  public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  public init() {}

  /// With a mark at its end: `ab`, `c` is not `a`, `bc`.
  public mutating func mix(_ text: String) {
    for byte in text.utf8 { mix(byte: byte) }
    mix(byte: 0xFF)
  }

  /// Without a mark at their end.
  public mutating func mix(bytes: some Sequence<UInt8>) {
    func mixAll(_ bytes: UnsafeBufferPointer<UInt8>) { for byte in bytes { mix(byte: byte) } }
    if bytes.withContiguousStorageIfAvailable(mixAll) == nil { Array(bytes).withUnsafeBufferPointer(mixAll) }
  }

  public mutating func mix(_ number: UInt64) {
    for shift in 0..<8 { mix(byte: UInt8(truncatingIfNeeded: number >> (8 * UInt64(shift)))) }
  }

  private mutating func mix(byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }

  /// In hexadecimal digits.
  public var text: String { String(value, radix: 16) }
}

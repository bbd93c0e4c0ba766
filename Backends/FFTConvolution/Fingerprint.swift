/// FNV-1a over numbers: equal choices, equal fingerprints.
struct Fingerprint {
  private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func mix(_ number: UInt64) {
    for byte in 0..<8 { value = (value ^ (number >> (8 * UInt64(byte)) & 255)) &* 0x100_0000_01b3 }
  }
}

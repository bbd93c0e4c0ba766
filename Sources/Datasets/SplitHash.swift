/// A hash that is the same in every run and on every machine: it says which samples are for testing and for
/// validation, and puts the samples of sorted files into an order that is not sorted.
enum SplitHash {
  /// FNV-1a over the bytes, then mixed so that the high bits are good too.
  static func of(_ text: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    return of(hash)
  }

  static func of(_ number: UInt64) -> UInt64 {
    var mixer = SplitMix64(state: number)
    return mixer.next()
  }

  /// Whether a sample of this hash is among the share `split` that is for testing.
  static func isTest(_ hash: UInt64, split: Double) -> Bool { isBelow(hash, split) }

  /// Whether a training sample is among the share `split` that is for validation; independent of `isTest`.
  static func isValidation(_ hash: UInt64, split: Double) -> Bool {
    isBelow(of(hash ^ 0x7661_6c69_6461_7465), split)
  }

  private static func isBelow(_ hash: UInt64, _ share: Double) -> Bool { Double(hash >> 11) * 0x1p-53 < share }
}

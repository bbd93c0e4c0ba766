/// The counter-based generator Philox 4x32-10: random bits as a pure function of a key and a counter, so that every
/// backend draws the same numbers in any order. (Salmon, Moraes, Dror and Shaw, *Parallel Random Numbers: As Easy as
/// 1, 2, 3*, SC 2011, §3.3; constants from table 2.)
public struct Philox: Sendable {
  public var key: SIMD2<UInt32>

  public init(seed: Int64) {
    let bits = UInt64(bitPattern: seed)
    key = [UInt32(truncatingIfNeeded: bits), UInt32(truncatingIfNeeded: bits >> 32)]
  }

  /// 128 random bits for a counter.
  public func bits(at counter: SIMD4<UInt32>) -> SIMD4<UInt32> {
    var (counter, key) = (counter, key)
    for round in 0..<10 {
      if round > 0 { key = key &+ [0x9E37_79B9, 0xBB67_AE85] }
      let first = UInt64(counter[0]) * 0xD251_1F53
      let second = UInt64(counter[2]) * 0xCD9E_8D57
      counter = [
        UInt32(truncatingIfNeeded: second >> 32) ^ counter[1] ^ key[0], UInt32(truncatingIfNeeded: second),
        UInt32(truncatingIfNeeded: first >> 32) ^ counter[3] ^ key[1], UInt32(truncatingIfNeeded: first),
      ]
    }
    return counter
  }

  /// The bits for elements 4·block … 4·block + 3 of the numbered `stream` at `step`.
  public func bits(block: Int, stream: Int, step: Int64) -> SIMD4<UInt32> {
    bits(at: [
      UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32), UInt32(truncatingIfNeeded: stream),
      UInt32(truncatingIfNeeded: step),
    ])
  }

  /// [0, 1) in steps of 2⁻²⁴, which every floating-point type of 32 bits or more holds exactly.
  public static func uniform(_ bits: UInt32) -> Double { Double(bits >> 8) * 0x1p-24 }
}

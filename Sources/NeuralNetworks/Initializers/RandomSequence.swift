import Glibc
import SwitchbackPrograms

/// Random numbers for the initial value of one named tensor, one after another.
///
/// Words of Philox 4x32-10 with the run's seed as key and the counter (block, hash of the name). The counter's last
/// word has its high bit set, which the numbers of a training step (its word is the step) never reach.
struct RandomSequence {
  private let philox: Philox
  private let name: SIMD2<UInt32>
  private var block: UInt64 = 0
  private var words = SIMD4<UInt32>()
  private var nextWord = 4
  private var spareNormal: Double?

  init(seed: Int64, name: String) {
    philox = Philox(seed: seed)
    // FNV-1a, 64 bits: Swift's own hash differs from run to run.
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    self.name = [UInt32(truncatingIfNeeded: hash), UInt32(truncatingIfNeeded: hash >> 32) | 0x8000_0000]
  }

  private mutating func bits() -> UInt32 {
    if nextWord == 4 {
      words = philox.bits(at: [
        UInt32(truncatingIfNeeded: block), UInt32(truncatingIfNeeded: block >> 32), name[0], name[1],
      ])
      block += 1
      nextWord = 0
    }
    defer { nextWord += 1 }
    return words[nextWord]
  }

  /// [0, 1)
  mutating func nextUniform() -> Double { Philox.uniform(bits()) }

  /// Mean 0, variance 1 (Box and Muller, 1958).
  mutating func nextNormal() -> Double {
    if let spare = spareNormal {
      spareNormal = nil
      return spare
    }
    let radius = (-2 * log(nextUniform() + 0x1p-24)).squareRoot()
    let angle = 2 * Double.pi * nextUniform()
    spareNormal = radius * sin(angle)
    return radius * cos(angle)
  }

  /// A normal number within ±2.
  mutating func nextTruncatedNormal() -> Double {
    while true {
      let number = nextNormal()
      if abs(number) <= 2 { return number }
    }
  }
}

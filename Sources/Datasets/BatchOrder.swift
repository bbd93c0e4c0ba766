/// Which samples each batch of an epoch takes: a pure function of seed and epoch, so that a resumed run goes on
/// exactly where it was.
public struct BatchOrder: Sendable {
  public let batchSize: Int
  private let indices: [Int32]
  private let dropsLast: Bool

  /// All `count` samples in a random order (Fisher and Yates, with SplitMix64 seeded by seed and epoch), or in their own
  /// order where `isShuffled` is false.
  public init(
    count: Int, batchSize: Int, seed: Int64 = 0, epoch: Int = 0, isShuffled: Bool = true, dropsLast: Bool = false
  ) {
    self.batchSize = batchSize
    self.dropsLast = dropsLast
    var indices = (0..<Int32(count)).map { $0 }
    if isShuffled {
      var random = SplitMix64(state: UInt64(bitPattern: seed) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(epoch))
      for last in stride(from: count - 1, to: 0, by: -1) { indices.swapAt(last, random.next(below: last + 1)) }
    }
    self.indices = indices
  }

  public var batchCount: Int {
    dropsLast ? indices.count / batchSize : (indices.count + batchSize - 1) / batchSize
  }

  /// The samples of one batch; the last may be smaller.
  public func batch(_ index: Int) -> ArraySlice<Int32> {
    indices[index * batchSize..<min((index + 1) * batchSize, indices.count)]
  }
}

/// Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014, figure 16.
struct SplitMix64: Sendable {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform below `bound`, by the high half of a product (Lemire 2019; the bias at these sizes is below 2⁻³⁰).
  mutating func next(below bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }
}

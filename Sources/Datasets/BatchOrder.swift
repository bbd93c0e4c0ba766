/// Which samples each batch of an epoch takes: a pure function of seed and epoch, so that a resumed run goes on
/// exactly where it was.
public struct BatchOrder: Sendable {
  public let batchSize: Int
  private let indices: [Int32]
  private let dropsLast: Bool

  /// How seed and epoch choose an order. A run keeps to the version that it began with.
  public enum Version: Int, Hashable, Sendable, Codable {
    /// Of runs of the early rules. Neighbouring seeds drew from one sequence of random numbers, a step apart: their
    /// batches had 22 % of their samples in common, where chance gives 0.1 %.
    case shifted = 1
    /// Seed and epoch are mixed before they begin a sequence.
    case mixed = 2
  }

  /// All `count` samples in a random order (Fisher and Yates, with SplitMix64 seeded by seed and epoch), or in their own
  /// order where `isShuffled` is false.
  public init(
    count: Int, batchSize: Int, seed: Int64 = 0, epoch: Int = 0, isShuffled: Bool = true, dropsLast: Bool = false,
    version: Version = .mixed
  ) {
    self.batchSize = batchSize
    self.dropsLast = dropsLast
    var indices = (0..<Int32(count)).map { $0 }
    if isShuffled {
      var random =
        switch version {
        case .shifted: SplitMix64(state: UInt64(bitPattern: seed) &* SplitMix64.increment &+ UInt64(epoch))
        case .mixed: SplitMix64(mixing: [UInt64(bitPattern: seed), UInt64(epoch)])
        }
      random.shuffle(&indices)
    }
    self.indices = indices
  }

  public var batchCount: Int { Self.batchCount(indices.count, batchSize: batchSize, dropsLast: dropsLast) }

  /// Of an epoch of `count` samples.
  public static func batchCount(_ count: Int, batchSize: Int, dropsLast: Bool) -> Int {
    dropsLast ? count / batchSize : (count + batchSize - 1) / batchSize
  }

  /// The samples of one batch; the last may be smaller.
  public func batch(_ index: Int) -> ArraySlice<Int32> {
    indices[index * batchSize..<min((index + 1) * batchSize, indices.count)]
  }
}

/// Steele, Lea and Flood, *Fast Splittable Pseudorandom Number Generators*, OOPSLA 2014, figure 16.
struct SplitMix64: Sendable {
  static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15
  var state: UInt64

  init(state: UInt64) { self.state = state }

  /// A sequence for these numbers that has nothing to do with those of their neighbours. (As a state, numbers that are
  /// `increment` apart give one sequence, a step apart.)
  init(mixing numbers: [UInt64]) {
    state = 0
    for number in numbers { mix(number) }
  }

  /// Goes on with the sequence of one number more.
  mutating func mix(_ number: UInt64) {
    state ^= number
    state = next()
  }

  mutating func next() -> UInt64 {
    state &+= Self.increment
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Uniform below `bound`, by the high half of a product (Lemire 2019; the bias at these sizes is below 2⁻³⁰).
  mutating func next(below bound: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(bound)).high) }

  /// Uniform in [0, 1), a multiple of 2⁻²⁴.
  mutating func nextUniform() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// Fisher and Yates, from the last place to the first.
  mutating func shuffle(_ items: inout [Int32]) {
    for last in stride(from: items.count - 1, to: 0, by: -1) { items.swapAt(last, next(below: last + 1)) }
  }
}

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How a transform of a length is done: at once by one of FFTW's straight-line codelets, or as two or more of them.
struct TransformLength: Hashable, Sendable {
  let length: Int
  let first: Int
  /// 1: at once.
  let second: Int
  /// Nanoseconds a point, relative to each other.
  let cost: Double

  /// Nanoseconds a complex number of transforms side by side. Measured on Emerald Rapids with FFTW 3.3.10 (32 side by
  /// side, the best of 15, 2026-11-24): lengths with codelets of their own; all others take 1.4 to 4. 11 and 13 have
  /// some too (0.69 and 0.73), but 12 and 14 cost less in all and round less.
  private static let codelets: [(length: Int, cost: Double)] = [
    (1, 0), (2, 0.39), (3, 0.43), (4, 0.39), (5, 0.44), (6, 0.44), (7, 0.52), (8, 0.45), (9, 0.56), (10, 0.48),
    (12, 0.57), (14, 0.60), (15, 0.60), (16, 0.56), (20, 0.60), (25, 0.79), (32, 0.55),
    (64, 0.62), (128, 0.69),
  ]
  /// Of the factors between two steps.
  private static let twiddles = 0.2

  /// Every length that there is, shortest first.
  static let all: [TransformLength] = {
    var best: [Int: TransformLength] = [:]
    for first in codelets where first.length > 1 || best[1] == nil {
      for second in codelets where first.length > 1 || second.length == 1 {
        let length = first.length * second.length
        let cost = first.cost + (second.length == 1 ? 0 : second.cost + twiddles)
        if cost < best[length]?.cost ?? .infinity {
          best[length] = TransformLength(length: length, first: first.length, second: second.length, cost: cost)
        }
      }
    }
    // Long ones go one pair of channels at a time: 64 at once across the second factor, which is divided once more.
    for power in 12...20 {
      for length in [1 << power, 3 << (power - 1)] where best[length] == nil {
        best[length] = TransformLength(length: length, first: 64, second: length / 64, cost: 2.2)
      }
    }
    return best.values.sorted { $0.length < $1.length }
  }()

  /// The second factor as a transform of its own, where it is longer than every codelet: FFTW would allocate memory.
  var inner: TransformLength? { second > Self.longestCodelet ? Self.of(second) : nil }

  private static let longestCodelet = 128
  static let longest = 1 << 20
  /// A kernel must reach less far for its image to be cut into tiles.
  static let longestTile = 1 << 13

  static func of(_ length: Int) -> TransformLength? { all.first { $0.length == length } }

  /// Worth trying for an axis: the shortest few that hold it whole, and for long ones tiles.
  static func candidates(for axis: Axis) -> [TransformLength] {
    guard axis.shortest > 1 else { return [all[0]] }
    var result: [TransformLength] = []
    var cheapest = Double.infinity
    // A longer one is of use only if its points together cost less.
    for entry in all where entry.length >= axis.shortest && entry.length <= 2 * axis.shortest + 16 {
      let total = entry.cost * Double(entry.length)
      if total < cheapest || result.count < 2 { result.append(entry) }
      cheapest = min(cheapest, total)
    }
    for power in 4...13 where 1 << power < axis.shortest && 1 << power > axis.reach {
      if let entry = of(1 << power) { result.append(entry) }
    }
    return result
  }
}

/// Numbers of some rounds in short: on a shared machine one round says little.
public struct Spread: Hashable, Sendable, Codable {
  /// Of an even count the mean of the middle two.
  public var median: Double
  public var low: Double
  public var high: Double

  /// Zeros of no numbers.
  public init(_ numbers: [Double]) {
    let sorted = numbers.sorted()
    let middle = sorted.count / 2
    switch sorted.count {
    case 0: (median, low, high) = (0, 0, 0)
    case let count where count % 2 == 0:
      (median, low, high) = ((sorted[middle - 1] + sorted[middle]) / 2, sorted[0], sorted[count - 1])
    case let count: (median, low, high) = (sorted[middle], sorted[0], sorted[count - 1])
    }
  }
}

import SwitchbackExecution

/// Numbers of some rounds in short: on a shared machine one round says little.
public struct Spread: Hashable, Sendable, Codable {
  /// Of an even count the mean of the middle two.
  public var median: Double
  public var low: Double
  public var high: Double

  /// Zeros of no numbers.
  public init(_ numbers: [Double]) {
    median = numbers.isEmpty ? 0 : SwitchbackExecution.median(numbers)
    (low, high) = (numbers.min() ?? 0, numbers.max() ?? 0)
  }
}

public import SwitchbackPrograms

/// The values that a number of a configuration or a description may have. Training computes in Float32, so excluded
/// bounds are looked at in Float32: 1 − 1e-9 is not below 1, and 1e-50 is not above 0.
public struct NumberRange: Hashable, Sendable {
  public let lowerBound: Double
  public let upperBound: Double
  public let excludesLowerBound: Bool
  public let excludesUpperBound: Bool

  public init(_ range: ClosedRange<Double>) {
    (lowerBound, upperBound) = (range.lowerBound, range.upperBound)
    (excludesLowerBound, excludesUpperBound) = (false, false)
  }

  /// Without the upper bound.
  public init(_ range: Range<Double>) {
    (lowerBound, upperBound) = (range.lowerBound, range.upperBound)
    (excludesLowerBound, excludesUpperBound) = (false, true)
  }

  /// From `bound`, without it, to infinity.
  public init(above bound: Double) {
    (lowerBound, upperBound, excludesLowerBound, excludesUpperBound) = (bound, .infinity, true, false)
  }

  public static let any = NumberRange(-Double.infinity...Double.infinity)
  public static let nonNegative = NumberRange(0...Double.infinity)
  public static let positive = NumberRange(above: 0)
  /// What is kept of a running mean or a momentum at each update: at 1 nothing new would ever count.
  public static let kept = NumberRange(0..<1)
  /// Beyond, a step overflows Float32.
  public static let learningRate = NumberRange(0...Schedule.highestRate)
  /// What scales a loss, a penalty, a decay or an accumulator.
  public static let factor = NumberRange(0...1e9)
  /// What keeps a division from 0. Below, squares of gradients vanish in Float32 before it counts: 0/0.
  public static let epsilon = NumberRange(1e-20...1e9)

  /// Infinities, NaN and what overflows Float32 are in no range.
  public func contains(_ value: Double) -> Bool {
    let rounded = Float(value)
    guard rounded.isFinite else { return false }
    // Devices may take what is smaller than a normal number for 0.
    let isAbove =
      excludesLowerBound ? rounded > Float(lowerBound) && rounded.isNormal : value >= lowerBound
    return isAbove && (excludesUpperBound ? rounded < Float(upperBound) : value <= upperBound)
  }

  /// What follows "a number": ` of at least 0.0 and below 1.0`; empty for `any`.
  public var words: String {
    switch (lowerBound.isFinite, upperBound.isFinite) {
    case (false, false): ""
    case (true, false): excludesLowerBound ? " above \(lowerBound)" : " of at least \(lowerBound)"
    case (false, true): excludesUpperBound ? " below \(upperBound)" : " of at most \(upperBound)"
    case (true, true):
      excludesUpperBound
        ? " of at least \(lowerBound) and below \(upperBound)" : " between \(lowerBound) and \(upperBound)"
    }
  }
}

/// A number of an optimizer by its name, and the values that it may have.
public struct BoundedNumber: Hashable, Sendable {
  public var name: String
  public var value: Double
  public var range: NumberRange

  public init(_ name: String, _ value: Double, _ range: NumberRange) {
    (self.name, self.value, self.range) = (name, value, range)
  }

  func check(of owner: String) throws(ProgramError) {
    guard range.contains(value) else {
      throw ProgramError("\(name) of \(owner) must be a number\(range.words), not \(value)", path: "optimizer")
    }
  }
}

extension Optimizer {
  /// Refuses what would give no finite weights, or never learn.
  func check() throws(ProgramError) {
    for number in numbers { try number.check(of: name) }
    try BoundedNumber("weightDecay", weightDecay, .factor).check(of: name)
    try check(learningRate: learningRate(0), atUpdate: 0)
  }

  /// Refuses a rate that is no number of its range, and one whose decay takes more than the whole weight away:
  /// from twice the weight on, weights grow without end.
  public func check(learningRate rate: Double, atUpdate update: Int) throws(ProgramError) {
    guard NumberRange.learningRate.contains(rate) else {
      throw ProgramError(
        "the learning rate of update \(update) must be a number\(NumberRange.learningRate.words), not \(rate)",
        path: "optimizer")
    }
    guard rate * weightDecay <= 1 else {
      throw ProgramError(
        "weight decay \(weightDecay) times the learning rate \(rate) of update \(update) is above 1: it would take more "
          + "than the whole weight away at each update", path: "optimizer")
    }
  }
}

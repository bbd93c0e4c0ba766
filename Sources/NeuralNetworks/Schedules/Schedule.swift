import SwitchbackPrograms

/// The learning rate as a pure function of the number of the update, from 0. A number is a constant rate. With gradient
/// accumulation an update is made of several batches.
public struct Schedule: Sendable, ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  /// No schedule goes beyond it, however fast it grows.
  public static let highestRate = 1e9

  package let rule: any ScheduleRule

  package init(_ rule: any ScheduleRule) { self.rule = rule }

  /// A rate of your own.
  public init(_ rate: @escaping @Sendable (_ update: Int) -> Double) { self.init(OwnRate(function: rate)) }
  public init(floatLiteral value: Double) { self = .constant(value) }
  public init(integerLiteral value: Int) { self = .constant(Double(value)) }

  /// NaN stays NaN, and ends the run with an error.
  public func callAsFunction(_ update: Int) -> Double {
    let rate = rule.rate(atUpdate: update)
    return rate > Self.highestRate ? Self.highestRate : rate
  }

  public static func constant(_ learningRate: Double) -> Schedule {
    Schedule(ConstantRate(learningRate: learningRate))
  }

  /// `values[i]` up to and including the update `boundaries[i]`, the last value afterwards (Keras's
  /// `PiecewiseConstantDecay`). There is one more value than there are boundaries, which increase.
  public static func piecewiseConstant(
    boundaries: [Int], values: [Double]
  ) throws(ProgramError) -> Schedule {
    let rule = PiecewiseConstantRate(boundaries: boundaries, values: values)
    if let fault = rule.fault { throw ProgramError(fault) }
    return Schedule(rule)
  }

  /// initial · factor^⌊update / every⌋
  public static func step(initialLearningRate: Double, factor: Double, every updates: Int) -> Schedule {
    Schedule(StepRate(initialLearningRate: initialLearningRate, factor: factor, every: updates))
  }

  /// initial · decayRate^(update / decaySteps), the exponent rounded down with `staircase`.
  public static func exponential(
    initialLearningRate: Double, decaySteps: Int, decayRate: Double, staircase: Bool = false
  ) -> Schedule {
    Schedule(
      ExponentialRate(
        initialLearningRate: initialLearningRate, decaySteps: decaySteps, decayRate: decayRate, staircase: staircase))
  }

  /// Half a cosine from the initial rate to alpha times it over `decaySteps` updates, then constant (Loshchilov and
  /// Hutter, 2017, without restarts).
  public static func cosine(initialLearningRate: Double, decaySteps: Int, alpha: Double = 0) -> Schedule {
    Schedule(CosineRate(initialLearningRate: initialLearningRate, decaySteps: decaySteps, alpha: alpha))
  }

  /// In a straight line from `start` at update 0 to the first rate of `next` at update `steps`, where `next` begins.
  public static func linearWarmup(steps: Int, from start: Double = 0, then next: Schedule) -> Schedule {
    Schedule(LinearWarmup(steps: steps, start: start, next: next))
  }

  /// Up from maximum / divisor to the maximum over the first `warmupFraction` of the updates, then down to
  /// maximum / divisor / finalDivisor, both along half a cosine (Smith and Topin, 2019; phases and defaults as in
  /// PyTorch's `OneCycleLR`). Afterwards constant.
  public static func oneCycle(
    maximumLearningRate: Double, totalSteps: Int, warmupFraction: Double = 0.3, divisor: Double = 25,
    finalDivisor: Double = 1e4
  ) -> Schedule {
    Schedule(
      OneCycleRate(
        maximumLearningRate: maximumLearningRate, totalSteps: totalSteps, warmupFraction: warmupFraction,
        divisor: divisor, finalDivisor: finalDivisor))
  }
}

import Glibc
import SwitchbackPrograms

/// The learning rate as a pure function of the number of the update, from 0. A number is a constant rate. With gradient
/// accumulation an update is made of several batches.
public struct Schedule: Sendable, ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  /// No schedule goes beyond it, however fast it grows.
  public static let highestRate = 1e9

  private let rate: @Sendable (Int) -> Double

  /// A rate of your own.
  public init(_ rate: @escaping @Sendable (_ update: Int) -> Double) { self.rate = rate }
  public init(floatLiteral value: Double) { self = .constant(value) }
  public init(integerLiteral value: Int) { self = .constant(Double(value)) }

  /// NaN stays NaN, and ends the run with an error.
  public func callAsFunction(_ update: Int) -> Double {
    let rate = rate(update)
    return rate > Self.highestRate ? Self.highestRate : rate
  }

  public static func constant(_ learningRate: Double) -> Schedule { Schedule { _ in learningRate } }

  /// `values[i]` up to and including the update `boundaries[i]`, the last value afterwards (Keras's
  /// `PiecewiseConstantDecay`). There is one more value than there are boundaries, which increase.
  public static func piecewiseConstant(
    boundaries: [Int], values: [Double]
  ) throws(ProgramError) -> Schedule {
    guard values.count == boundaries.count + 1, zip(boundaries, boundaries.dropFirst()).allSatisfy(<) else {
      throw ProgramError(
        "a piecewise constant schedule has increasing boundaries and one value more, not \(boundaries) and \(values)")
    }
    return Schedule { update in values[boundaries.firstIndex { update <= $0 } ?? boundaries.count] }
  }

  /// initial · factor^⌊update / every⌋
  public static func step(initialLearningRate: Double, factor: Double, every updates: Int) -> Schedule {
    exponential(
      initialLearningRate: initialLearningRate, decaySteps: updates, decayRate: factor, staircase: true)
  }

  /// initial · decayRate^(update / decaySteps), the exponent rounded down with `staircase`.
  public static func exponential(
    initialLearningRate: Double, decaySteps: Int, decayRate: Double, staircase: Bool = false
  ) -> Schedule {
    Schedule { update in
      let exponent = Double(update) / Double(max(1, decaySteps))
      let share = pow(decayRate, staircase ? exponent.rounded(.down) : exponent)
      // What grows beyond any number is still 0 times 0.
      return initialLearningRate == 0 ? 0 : initialLearningRate * share
    }
  }

  /// Half a cosine from the initial rate to alpha times it over `decaySteps` updates, then constant (Loshchilov and
  /// Hutter, 2017, without restarts).
  public static func cosine(initialLearningRate: Double, decaySteps: Int, alpha: Double = 0) -> Schedule {
    Schedule { update in
      let part = min(1, Double(update) / Double(max(1, decaySteps)))
      return initialLearningRate * ((1 - alpha) * 0.5 * (1 + cos(.pi * part)) + alpha)
    }
  }

  /// In a straight line from `start` at update 0 to the first rate of `next` at update `steps`, where `next` begins.
  public static func linearWarmup(steps: Int, from start: Double = 0, then next: Schedule) -> Schedule {
    Schedule { update in
      guard update < steps else { return next(update - max(0, steps)) }
      return start + (next(0) - start) * Double(update) / Double(steps)
    }
  }

  /// Up from maximum / divisor to the maximum over the first `warmupFraction` of the updates, then down to
  /// maximum / divisor / finalDivisor, both along half a cosine (Smith and Topin, 2019; phases and defaults as in
  /// PyTorch's `OneCycleLR`). Afterwards constant.
  public static func oneCycle(
    maximumLearningRate: Double, totalSteps: Int, warmupFraction: Double = 0.3, divisor: Double = 25,
    finalDivisor: Double = 1e4
  ) -> Schedule {
    let start = maximumLearningRate / divisor
    let end = start / finalDivisor
    let peak = warmupFraction * Double(totalSteps) - 1
    let last = Double(totalSteps - 1)
    @Sendable func along(_ a: Double, _ b: Double, _ part: Double) -> Double { b + (a - b) / 2 * (1 + cos(.pi * part)) }
    return Schedule { update in
      let position = min(Double(update), last)
      if position <= peak { return peak > 0 ? along(start, maximumLearningRate, position / peak) : maximumLearningRate }
      return last > peak ? along(maximumLearningRate, end, (position - peak) / (last - peak)) : end
    }
  }
}

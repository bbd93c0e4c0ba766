import Glibc

/// How a learning rate follows from the number of the update, from 0.
package protocol ScheduleRule: Sendable {
  func rate(atUpdate update: Int) -> Double
}

struct OwnRate: ScheduleRule {
  let function: @Sendable (Int) -> Double

  func rate(atUpdate update: Int) -> Double { function(update) }
}

struct ConstantRate: ConfigurableRule {
  var learningRate: Double

  static let settings = Settings<ConstantRate>(
    "constant", of: ConstantRate(learningRate: 0), help: "The same rate at every update",
    keys: [.number("learning_rate", \.learningRate, in: .learningRate, .required, help: "The rate")])

  func rate(atUpdate update: Int) -> Double { learningRate }
}

struct CosineRate: ConfigurableRule {
  var initialLearningRate: Double
  var decaySteps: Int
  var alpha: Double

  static let settings = Settings<CosineRate>(
    "cosine", of: Schedule.cosine(initialLearningRate: 0, decaySteps: 1).typedRule(),
    help: "Half a cosine down from the first rate, then constant",
    keys: [
      .number("initial_learning_rate", \.initialLearningRate, in: .learningRate, .required, help: "The first rate"),
      .integer("decay_steps", \.decaySteps, in: .positive, .required, help: "Over how many updates it falls"),
      .number("alpha", \.alpha, help: "The share of the first rate that is left at the end"),
    ])

  func rate(atUpdate update: Int) -> Double {
    let part = min(1, Double(update) / Double(max(1, decaySteps)))
    return initialLearningRate * ((1 - alpha) * 0.5 * (1 + cos(.pi * part)) + alpha)
  }
}

struct ExponentialRate: ConfigurableRule {
  var initialLearningRate: Double
  var decaySteps: Int
  var decayRate: Double
  var staircase: Bool

  static let settings = Settings<ExponentialRate>(
    "exponential", of: Schedule.exponential(initialLearningRate: 0, decaySteps: 1, decayRate: 1).typedRule(),
    help: "Falls by the same factor over every so many updates",
    keys: [
      .number("initial_learning_rate", \.initialLearningRate, in: .learningRate, .required, help: "The first rate"),
      .integer("decay_steps", \.decaySteps, in: .positive, .required, help: "How many updates a factor takes"),
      .number("decay_rate", \.decayRate, .required, help: "The factor"),
      .bool("staircase", \.staircase, help: "Whether it falls at once after so many updates, not little by little"),
    ])

  func rate(atUpdate update: Int) -> Double {
    let exponent = Double(update) / Double(max(1, decaySteps))
    let share = pow(decayRate, staircase ? exponent.rounded(.down) : exponent)
    // What grows beyond any number is still 0 times 0.
    return initialLearningRate == 0 ? 0 : initialLearningRate * share
  }
}

struct StepRate: ConfigurableRule {
  var initialLearningRate: Double
  var factor = 0.1
  var every: Int

  static let settings = Settings<StepRate>(
    "step", of: StepRate(initialLearningRate: 0, every: 1), help: "Falls by a factor after every so many updates",
    keys: [
      .number("initial_learning_rate", \.initialLearningRate, in: .learningRate, .required, help: "The first rate"),
      .number("factor", \.factor, help: "What the rate is multiplied with each time"),
      .integer("every", \.every, in: .positive, .required, help: "After how many updates"),
    ])

  func rate(atUpdate update: Int) -> Double {
    ExponentialRate(initialLearningRate: initialLearningRate, decaySteps: every, decayRate: factor, staircase: true)
      .rate(atUpdate: update)
  }
}

struct OneCycleRate: ConfigurableRule {
  var maximumLearningRate: Double
  var totalSteps: Int
  var warmupFraction: Double
  var divisor: Double
  var finalDivisor: Double

  static let settings = Settings<OneCycleRate>(
    "one_cycle", of: Schedule.oneCycle(maximumLearningRate: 0, totalSteps: 1).typedRule(),
    help: "Up to the highest rate, then down far below the first, along cosines",
    keys: [
      .number("maximum_learning_rate", \.maximumLearningRate, in: .learningRate, .required, help: "The highest rate"),
      .integer("total_steps", \.totalSteps, in: .positive, .required, help: "How many updates the cycle takes"),
      .number("warmup_fraction", \.warmupFraction, in: NumberRange(0...1), help: "The share of them that goes up"),
      .number("divisor", \.divisor, in: .divisor, help: "The first rate is the highest divided by it"),
      .number("final_divisor", \.finalDivisor, in: .divisor, help: "The last rate is the first divided by it"),
    ])

  func rate(atUpdate update: Int) -> Double {
    let start = maximumLearningRate / divisor
    let end = start / finalDivisor
    let peak = warmupFraction * Double(totalSteps) - 1
    let last = Double(totalSteps - 1)
    func along(_ a: Double, _ b: Double, _ part: Double) -> Double { b + (a - b) / 2 * (1 + cos(.pi * part)) }
    let position = min(Double(update), last)
    if position <= peak { return peak > 0 ? along(start, maximumLearningRate, position / peak) : maximumLearningRate }
    return last > peak ? along(maximumLearningRate, end, (position - peak) / (last - peak)) : end
  }
}

struct PiecewiseConstantRate: ConfigurableRule {
  var boundaries: [Int]
  var values: [Double]

  static let settings = Settings<PiecewiseConstantRate>(
    "piecewise_constant", of: PiecewiseConstantRate(boundaries: [], values: [0]),
    help: "One rate after another",
    keys: [
      .integers(
        "boundaries", \.boundaries, in: 0...Int.max, .required,
        help: "The last update of each rate but the last one; they increase"),
      .numbers("values", \.values, in: .learningRate, .required, help: "The rates, one more than boundaries"),
    ], fault: \.fault)

  var fault: String? {
    guard values.count == boundaries.count + 1, zip(boundaries, boundaries.dropFirst()).allSatisfy(<) else {
      return
        "a piecewise constant schedule has increasing boundaries and one value more, not \(boundaries) and \(values)"
    }
    return nil
  }

  func rate(atUpdate update: Int) -> Double { values[boundaries.firstIndex { update <= $0 } ?? boundaries.count] }
}

struct LinearWarmup: ConfigurableRule {
  var steps: Int
  var start: Double
  var next: Schedule

  static let settings = Settings<LinearWarmup>(
    "linear_warmup", of: Schedule.linearWarmup(steps: 1, then: 0.001).typedRule(),
    help: "In a straight line up to the first rate of another schedule, which then begins",
    keys: [
      .integer("steps", \.steps, in: .positive, .required, help: "Over how many updates"),
      .number("from", \.start, in: .learningRate, help: "The first rate"),
      .schedule("then", \.next, of: Schedule.rulesAfterWarmup, help: "What follows: a number, or a schedule"),
    ])

  func rate(atUpdate update: Int) -> Double {
    guard update < steps else { return next(update - max(0, steps)) }
    return start + (next(0) - start) * Double(update) / Double(steps)
  }
}

extension Schedule {
  /// Those that can stand behind a warm-up: another one would be none.
  fileprivate static let rulesAfterWarmup: [any ConfigurableRule.Type] = [
    ConstantRate.self, CosineRate.self, ExponentialRate.self, StepRate.self, OneCycleRate.self,
    PiecewiseConstantRate.self,
  ]

  /// Those that configurations know.
  package static let rules = rulesAfterWarmup + [LinearWarmup.self]

  /// The rate, where it is always the same.
  package var constantRate: Double? { (rule as? ConstantRate)?.learningRate }

  /// The rule that one of the functions of a schedule makes, with the defaults of its parameters.
  fileprivate func typedRule<Rule: ScheduleRule>() -> Rule {
    guard let rule = rule as? Rule else { preconditionFailure("\(Rule.self) is not made by that function") }
    return rule
  }
}

extension NumberRange {
  fileprivate static let divisor = NumberRange(1e-9...Double.infinity)
}

import SwitchbackPrograms

/// y = x + stddev · n with a new normal number n for each element at every step of training; nothing in inference.
public struct GaussianNoise: UnaryLayer {
  public var standardDeviation: Double
  public var name: String?
  public var kind: String { "gaussianNoise" }
  public var masking: Masking { .passed }

  public init(_ standardDeviation: Double, name: String? = nil) {
    (self.standardDeviation, self.name) = (standardDeviation, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.require(
      NumberRange.nonNegative.contains(standardDeviation),
      "the standard deviation must be a number of at least 0, not \(standardDeviation)")
    guard context.isTraining, standardDeviation > 0 else { return input }
    return try context.append(Binary(.add), input, context.normalNumbers(like: input, standardDeviation))
  }
}

extension GaussianNoise: ConfigurableLayer {
  package static let settings = Settings<GaussianNoise>(
    "gaussian_noise", of: GaussianNoise(0), help: "Adds normal numbers in training",
    keys: [
      .number("stddev", \.standardDeviation, in: .nonNegative, .required, help: "Their standard deviation")
    ])
}

/// y = x · (1 + √(rate / (1 − rate)) · n) with a new normal number n for each element at every step of training: a
/// factor of the mean and variance that dropout has (Srivastava et al., 2014, §10). Nothing in inference.
public struct GaussianDropout: UnaryLayer {
  public var rate: Double
  public var name: String?
  public var kind: String { "gaussianDropout" }
  public var gradientPart: WayPart { .dropout }
  public var masking: Masking { .passed }

  public init(_ rate: Double, name: String? = nil) { (self.rate, self.name) = (rate, name) }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.require(NumberRange.kept.contains(rate), "the rate must lie in 0 ..< 1, not be \(rate)")
    guard context.isTraining, rate > 0 else { return input }
    let noise = try context.normalNumbers(like: input, (rate / (1 - rate)).squareRoot())
    let factor = try context.append(Binary(.add), noise, context.constant(1))
    return try context.append(Binary(.multiply), input, factor)
  }
}

extension GaussianDropout: ConfigurableLayer {
  package static let settings = Settings<GaussianDropout>(
    "gaussian_dropout", of: GaussianDropout(0), help: "Multiplies with normal numbers of mean 1 in training",
    keys: [
      .number("rate", \.rate, in: .kept, .required, help: "Their variance is rate / (1 - rate), as dropout's")
    ])
}

extension LayerContext {
  /// New ones at every step, of mean 0.
  fileprivate mutating func normalNumbers(
    like value: Value, _ standardDeviation: Double
  ) throws(ProgramError) -> Value {
    let numbers = try random(.normal, value.shape)
    return try append(Binary(.multiply), numbers, constant(standardDeviation))
  }
}

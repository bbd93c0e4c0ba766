import SwitchbackPrograms

/// mean (prediction − target)², over the features of a sample.
public struct MeanSquaredError: Loss {
  public var name: String { "meanSquaredError" }
  public var targets: Targets { .values }

  public init() {}

  public func callAsFunction(
    _ predictions: Predictions, _ targets: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let difference = try builder.append(Binary(.subtract), predictions.values, targets)
    return try builder.meanOverFeatures(builder.append(Unary(.square), difference))
  }
}

extension MeanSquaredError: ConfigurableLoss {
  package static let settings = Settings<MeanSquaredError>(
    "mean_squared_error", of: MeanSquaredError(), help: "The mean of squared differences")
}

/// mean |prediction − target|, over the features of a sample.
public struct MeanAbsoluteError: Loss {
  public var name: String { "meanAbsoluteError" }
  public var targets: Targets { .values }

  public init() {}

  public func callAsFunction(
    _ predictions: Predictions, _ targets: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let difference = try builder.append(Binary(.subtract), predictions.values, targets)
    return try builder.meanOverFeatures(builder.append(Unary(.absolute), difference))
  }
}

extension MeanAbsoluteError: ConfigurableLoss {
  package static let settings = Settings<MeanAbsoluteError>(
    "mean_absolute_error", of: MeanAbsoluteError(), help: "The mean of absolute differences")
}

/// Quadratic up to `delta`, linear beyond: e²/2 where |e| ≤ delta, else delta·(|e| − delta/2) (Huber, 1964).
public struct Huber: Loss {
  public var delta: Double
  public var name: String { "huber" }
  public var targets: Targets { .values }

  public init(delta: Double = 1) { self.delta = delta }

  public func callAsFunction(
    _ predictions: Predictions, _ targets: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    guard NumberRange.positive.contains(delta) else {
      throw ProgramError("delta must be positive, not \(delta)", path: builder.path)
    }
    // With q = min(|e|, delta) both branches are q·(|e| − q/2), and the gradient is q·sign e.
    let difference = try builder.append(Binary(.subtract), predictions.values, targets)
    let error = try builder.append(Unary(.absolute), difference)
    let quadratic = try builder.append(Binary(.minimum), error, builder.scalar(delta, error.type.elementType))
    let rest = try builder.append(Binary(.subtract), error, builder.scale(quadratic, by: 0.5))
    return try builder.meanOverFeatures(builder.append(Binary(.multiply), quadratic, rest))
  }
}

extension Huber: ConfigurableLoss {
  package static let settings = Settings<Huber>(
    "huber", of: Huber(), help: "Quadratic for small differences, linear for large ones",
    keys: [
      .number(
        "delta", \.delta, in: NumberRange(1e-9...Double.infinity), help: "The difference from which on it is linear")
    ])
}

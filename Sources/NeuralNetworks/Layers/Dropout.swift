import SwitchbackPrograms

/// Sets each element to zero with probability `rate` in training and scales the others by 1 / (1 − rate), so that
/// inference needs no change (inverted dropout; Srivastava et al., 2014, §10).
///
/// The mask is a new one at every step, and the same on every backend: y = x · (u ≥ rate) / (1 − rate).
public struct Dropout: UnaryLayer {
  public var rate: Double
  public var name: String?
  public var kind: String { "dropout" }

  public init(_ rate: Double, name: String? = nil) {
    self.rate = rate
    self.name = name
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.require(NumberRange.kept.contains(rate), "the rate must lie in 0 ..< 1, not be \(rate)")
    guard context.isTraining, rate > 0 else { return input }
    let random = try context.random(.uniform, input.shape)
    let isKept = try context.append(Binary(.greaterEqual), random, context.constant(rate))
    let kept = try context.append(Cast(to: input.type.elementType), isKept)
    let mask = try context.append(Binary(.multiply), kept, context.constant(1 / (1 - rate)))
    return try context.append(Binary(.multiply), input, mask)
  }
}

extension Dropout: ConfigurableLayer {
  package static let settings = Settings<Dropout>(
    "dropout", of: Dropout(0), help: "Sets random elements to zero in training and scales the others up",
    keys: [
      .number("rate", \.rate, in: .kept, .required, help: "The share of elements that become zero")
    ])
}

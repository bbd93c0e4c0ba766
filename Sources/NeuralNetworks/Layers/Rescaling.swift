import SwitchbackPrograms

/// `y = x · scale + offset`, such as `Rescaling(1 / 255)` for bytes.
public struct Rescaling: UnaryLayer {
  public var scale: Double
  public var offset: Double
  public var name: String?
  public var kind: String { "rescaling" }
  public var masking: Masking { .passed }

  public init(_ scale: Double, offset: Double = 0, name: String? = nil) {
    self.scale = scale
    self.offset = offset
    self.name = name
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.require(
      NumberRange.any.contains(scale) && NumberRange.any.contains(offset),
      "scale and offset must be numbers, not \(scale) and \(offset)")
    let scaled = try context.append(Binary(.multiply), input, context.constant(scale))
    return offset == 0 ? scaled : try context.append(Binary(.add), scaled, context.constant(offset))
  }
}

extension Rescaling: ConfigurableLayer {
  package static let settings = Settings<Rescaling>(
    "rescaling", of: Rescaling(1), help: "Its input times scale plus offset",
    keys: [
      .number("scale", \.scale, in: .any, .required, help: "What the input is multiplied with"),
      .number("offset", \.offset, in: .any, help: "What is added afterwards"),
    ])
}

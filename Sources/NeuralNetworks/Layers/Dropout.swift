import SwitchbackPrograms

/// Sets each element to zero with probability `rate` in training and scales the others by 1 / (1 − rate), so that
/// inference needs no change (inverted dropout; Srivastava et al., 2014, §10).
///
/// The mask is a new one at every step, and the same on every backend: y = x · (u ≥ rate) / (1 − rate).
public struct Dropout: UnaryLayer {
  public var rate: Double
  public var name: String?
  public var kind: String { "dropout" }
  public var gradientPart: WayPart { .dropout }
  public var masking: Masking { .passed }

  public init(_ rate: Double, name: String? = nil) {
    self.rate = rate
    self.name = name
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.drop(input, rate, together: [])
  }
}

extension LayerContext {
  /// What dropout makes of the input in training; along the axes `together` all elements share their fate.
  mutating func drop(_ input: Value, _ rate: Double, together: [Int]) throws(ProgramError) -> Value {
    let extents = input.shape.extents.enumerated().map { together.contains($0) ? 1 : $1 }
    guard let mask = try dropoutMask(Shape(extents), rate, input.type.elementType) else { return input }
    return try append(Binary(.multiply), input, mask)
  }

  /// 1 / (1 − rate) for each element that is kept, 0 for the others; nil where nothing is dropped.
  mutating func dropoutMask(
    _ shape: Shape, _ rate: Double, _ elementType: ElementType
  ) throws(ProgramError) -> Value? {
    try require(NumberRange.kept.contains(rate), "the rate must lie in 0 ..< 1, not be \(rate)")
    guard isTraining, rate > 0 else { return nil }
    let random = try random(.uniform, shape)
    let isKept = try append(Binary(.greaterEqual), random, constant(rate))
    let kept = try append(Cast(to: elementType), isKept)
    return try append(Binary(.multiply), kept, constant(1 / (1 - rate)))
  }
}

extension Dropout: ConfigurableLayer {
  package static let settings = Settings<Dropout>(
    "dropout", of: Dropout(0), help: "Sets random elements to zero in training and scales the others up",
    keys: [
      .number("rate", \.rate, in: .kept, .required, help: "The share of elements that become zero")
    ])
}

/// Dropout of whole channels: of each image `[N, H, W, C]` a channel is kept or set to zero everywhere, since neighbours
/// in an image know of each other (Tompson et al., 2015, §3.2).
public struct SpatialDropout2D: UnaryLayer {
  public var rate: Double
  public var name: String?
  public var kind: String { "spatialDropout2d" }
  public var gradientPart: WayPart { .dropout }

  public init(_ rate: Double, name: String? = nil) { (self.rate, self.name) = (rate, name) }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.requireImages(input)
    return try context.drop(input, rate, together: [1, 2])
  }
}

extension SpatialDropout2D: ConfigurableLayer {
  package static let settings = Settings<SpatialDropout2D>(
    "spatial_dropout2d", of: SpatialDropout2D(0),
    help: "Sets random channels of images [N, H, W, C] to zero in training",
    keys: [.number("rate", \.rate, in: .kept, .required, help: "The share of channels that become zero")])
}

/// Dropout of whole channels of sequences `[N, T, C]`.
public struct SpatialDropout1D: UnaryLayer {
  public var rate: Double
  public var name: String?
  public var kind: String { "spatialDropout1d" }
  public var gradientPart: WayPart { .dropout }
  public var masking: Masking { .passed }

  public init(_ rate: Double, name: String? = nil) { (self.rate, self.name) = (rate, name) }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.requireSequences(input)
    return try context.drop(input, rate, together: [1])
  }
}

extension SpatialDropout1D: ConfigurableLayer {
  package static let settings = Settings<SpatialDropout1D>(
    "spatial_dropout1d", of: SpatialDropout1D(0),
    help: "Sets random channels of sequences [N, T, C] to zero in training",
    keys: [.number("rate", \.rate, in: .kept, .required, help: "The share of channels that become zero")])
}

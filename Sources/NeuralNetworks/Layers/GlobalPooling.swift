import SwitchbackPrograms

/// The mean of each channel over the whole image: x `[N, H, W, C]`, y `[N, C]`, or `[N, 1, 1, C]` with
/// `keepDimensions`.
public struct GlobalAveragePooling2D: UnaryLayer {
  public var keepDimensions: Bool
  public var name: String?
  public var kind: String { "globalAveragePooling2d" }
  public var gradientPart: WayPart { .pooling }

  public init(keepDimensions: Bool = false, name: String? = nil) {
    (self.keepDimensions, self.name) = (keepDimensions, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.reduceImage(input, .mean, keepDimensions: keepDimensions)
  }
}

extension GlobalAveragePooling2D: ConfigurableLayer {
  package static let settings = Settings<GlobalAveragePooling2D>(
    "global_average_pooling2d", of: GlobalAveragePooling2D(), help: "The mean of each channel over the whole image",
    keys: [.keepDimensions(\.keepDimensions)])
}

/// The largest number of each channel over the whole image: x `[N, H, W, C]`, y `[N, C]`, or `[N, 1, 1, C]` with
/// `keepDimensions`. Equal ones share the gradient evenly.
public struct GlobalMaxPooling2D: UnaryLayer {
  public var keepDimensions: Bool
  public var name: String?
  public var kind: String { "globalMaxPooling2d" }
  public var gradientPart: WayPart { .pooling }

  public init(keepDimensions: Bool = false, name: String? = nil) {
    (self.keepDimensions, self.name) = (keepDimensions, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.reduceImage(input, .max, keepDimensions: keepDimensions)
  }
}

extension GlobalMaxPooling2D: ConfigurableLayer {
  package static let settings = Settings<GlobalMaxPooling2D>(
    "global_max_pooling2d", of: GlobalMaxPooling2D(), help: "The largest number of each channel over the whole image",
    keys: [.keepDimensions(\.keepDimensions)])
}

/// The mean of each channel over the whole sequence: x `[N, T, C]`, y `[N, C]`, or `[N, 1, C]` with `keepDimensions`. Of a
/// masked one over its valid steps, and 0 where it has none.
public struct GlobalAveragePooling1D: UnaryLayer {
  public var keepDimensions: Bool
  public var name: String?
  public var kind: String { "globalAveragePooling1d" }
  public var gradientPart: WayPart { .pooling }
  public var masking: Masking { .consumed }

  public init(keepDimensions: Bool = false, name: String? = nil) {
    (self.keepDimensions, self.name) = (keepDimensions, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.reduceSequence(input, .mean, keepDimensions: keepDimensions)
  }
}

extension GlobalAveragePooling1D: ConfigurableLayer {
  package static let settings = Settings<GlobalAveragePooling1D>(
    "global_average_pooling1d", of: GlobalAveragePooling1D(),
    help: "The mean of each channel over the whole sequence [N, T, C]",
    keys: [.keepDimensions(\.keepDimensions, "[N, 1, C]")])
}

/// The largest number of each channel over the whole sequence: x `[N, T, C]`, y `[N, C]`, or `[N, 1, C]` with
/// `keepDimensions`. Equal ones share the gradient evenly. Of a masked one over its valid steps, and 0 where it has none.
public struct GlobalMaxPooling1D: UnaryLayer {
  public var keepDimensions: Bool
  public var name: String?
  public var kind: String { "globalMaxPooling1d" }
  public var gradientPart: WayPart { .pooling }
  public var masking: Masking { .consumed }

  public init(keepDimensions: Bool = false, name: String? = nil) {
    (self.keepDimensions, self.name) = (keepDimensions, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.reduceSequence(input, .max, keepDimensions: keepDimensions)
  }
}

extension GlobalMaxPooling1D: ConfigurableLayer {
  package static let settings = Settings<GlobalMaxPooling1D>(
    "global_max_pooling1d", of: GlobalMaxPooling1D(),
    help: "The largest number of each channel over the whole sequence [N, T, C]",
    keys: [.keepDimensions(\.keepDimensions, "[N, 1, C]")])
}

extension Setting where Owner: ConfigurableLayer {
  fileprivate static func keepDimensions(_ path: any Path<Bool>, _ kept: String = "[N, 1, 1, C]") -> Setting {
    .bool("keepdims", path, help: "Whether the result is \(kept) instead of [N, C]")
  }
}

extension LayerContext {
  fileprivate mutating func reduceImage(
    _ input: Value, _ function: ReduceFunction, keepDimensions: Bool
  ) throws(ProgramError) -> Value {
    try requireImages(input)
    return try append(Reduce(function, axes: [1, 2], keepDimensions: keepDimensions), input)
  }

  fileprivate mutating func reduceSequence(
    _ input: Value, _ function: ReduceFunction, keepDimensions: Bool
  ) throws(ProgramError) -> Value {
    try requireSequences(input)
    let reduction = Reduce(function, axes: [1], keepDimensions: keepDimensions)
    guard let mask = mask(of: input) else { return try append(reduction, input) }
    guard function == .max else {
      let sum = try append(Reduce(.sum, axes: [1], keepDimensions: keepDimensions), masked(input))
      return try append(Binary(.divide), sum, counts(mask, like: sum))
    }
    // −∞ wins only where no step is valid, which gives 0, or where all that are hold it too.
    let largest = try append(reduction, masked(input, filler: -.infinity))
    let numbers = try append(Cast(to: .float32), mask)
    let valid = try append(Reduce(.max, axes: [1]), numbers)
    let shape = [input.shape[0]] + [Int](repeating: 1, count: largest.shape.rank - 1)
    let hasAny = try append(Cast(to: .bool), append(Reshape(shape: shape), valid))
    return try append(Select(), hasAny, largest, builder.scalar(0, largest.type.elementType))
  }

  /// How many steps are valid, at least 1, as `[N, 1, …]` of as many axes as `value` has.
  private mutating func counts(_ mask: Value, like value: Value) throws(ProgramError) -> Value {
    let shape = [mask.shape[0]] + [Int](repeating: 1, count: value.shape.rank - 1)
    return try append(Reshape(shape: shape), builder.validCounts(mask))
  }
}

import SwitchbackPrograms

/// The mean of each channel over the whole image: x `[N, H, W, C]`, y `[N, C]`, or `[N, 1, 1, C]` with
/// `keepDimensions`.
public struct GlobalAveragePooling2D: UnaryLayer {
  public var keepDimensions: Bool
  public var name: String?
  public var kind: String { "globalAveragePooling2d" }

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

/// The mean of each channel over the whole sequence: x `[N, T, C]`, y `[N, C]`, or `[N, 1, C]` with `keepDimensions`.
public struct GlobalAveragePooling1D: UnaryLayer {
  public var keepDimensions: Bool
  public var name: String?
  public var kind: String { "globalAveragePooling1d" }

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
/// `keepDimensions`. Equal ones share the gradient evenly.
public struct GlobalMaxPooling1D: UnaryLayer {
  public var keepDimensions: Bool
  public var name: String?
  public var kind: String { "globalMaxPooling1d" }

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
    return try append(Reduce(function, axes: [1], keepDimensions: keepDimensions), input)
  }
}

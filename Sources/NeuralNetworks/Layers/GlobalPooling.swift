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

extension Setting where Owner: ConfigurableLayer {
  fileprivate static func keepDimensions(_ path: any Path<Bool>) -> Setting {
    .bool("keepdims", path, help: "Whether the result is [N, 1, 1, C] instead of [N, C]")
  }
}

extension LayerContext {
  fileprivate mutating func reduceImage(
    _ input: Value, _ function: ReduceFunction, keepDimensions: Bool
  ) throws(ProgramError) -> Value {
    guard input.shape.rank == 4 else { throw mismatch(input, takes: "images [N, H, W, C]") }
    return try append(Reduce(function, axes: [1, 2], keepDimensions: keepDimensions), input)
  }
}

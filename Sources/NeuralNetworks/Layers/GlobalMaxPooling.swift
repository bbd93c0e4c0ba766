import SwitchbackPrograms

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
    guard input.shape.rank == 4 else { throw context.mismatch(input, takes: "images [N, H, W, C]") }
    return try context.append(Reduce(.max, axes: [1, 2], keepDimensions: keepDimensions), input)
  }
}

extension GlobalMaxPooling2D: ConfigurableLayer {
  package static let settings = Settings<GlobalMaxPooling2D>(
    "global_max_pooling2d", of: GlobalMaxPooling2D(), help: "The largest number of each channel over the whole image",
    keys: [
      .bool("keepdims", \.keepDimensions, help: "Whether the result is [N, 1, 1, C] instead of [N, C]")
    ])
}

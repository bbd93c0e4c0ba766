import SwitchbackPrograms

/// An earlier layer of the graph once more, with its weights: `Shared("stem").reading("right")`.
///
/// A state that the layer replaces, such as running statistics, moves at each of its uses, in their order.
public struct Shared: Layer {
  /// The name of the layer.
  public var layer: String
  public var name: String?
  public var kind: String { "shared" }
  public var masking: Masking { .consumed }

  public init(_ layer: String, name: String? = nil) { (self.layer, self.name) = (layer, name) }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    try context.callAgain(layer, inputs)
  }
}

extension Shared: ConfigurableLayer {
  package static let settings = Settings<Shared>(
    "shared", of: Shared(""), help: "An earlier layer once more, with its weights",
    keys: [
      .text("layer", \.layer, .required, help: "The name of the earlier layer")
    ])
}

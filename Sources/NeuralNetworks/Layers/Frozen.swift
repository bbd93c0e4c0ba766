import SwitchbackPrograms

/// A layer whose weights stay as they are (Keras's `trainable = False`): they get no gradient and no update, and states
/// that it replaces in training stand still. Batch normalization in it uses its running statistics.
public struct Frozen: Layer {
  public var layer: any Layer
  public var name: String? { layer.name }
  public var kind: String { layer.kind }
  public var masking: Masking { .consumed }
  public var resultNames: [String] { layer.resultNames }

  public init(_ layer: any Layer) { self.layer = layer }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    try context.callFrozen(layer, inputs)
  }
}

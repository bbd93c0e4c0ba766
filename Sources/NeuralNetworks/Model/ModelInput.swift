public import SwitchbackPrograms

/// What a model reads of a batch: a field of the data, by its name.
public struct ModelInput: Hashable, Sendable {
  public var name: String
  /// Without the batch: f32 `[28, 28, 1]`, i32 `[T]`.
  public var type: TensorType

  public init(_ name: String, _ type: TensorType) { (self.name, self.type) = (name, type) }
}

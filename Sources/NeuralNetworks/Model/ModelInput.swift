public import SwitchbackPrograms

/// What a model reads of a batch: a field of the data, by its name.
public struct ModelInput: Hashable, Sendable {
  public var name: String
  /// Without the batch: f32 `[28, 28, 1]`, i32 `[T]`.
  public var type: TensorType
  /// Of bytes that stand for numbers: layers read them as f32, multiplied with it. Nil: layers read the field as it is.
  public var scale: Float?

  public init(_ name: String, _ type: TensorType, scale: Float? = nil) {
    (self.name, self.type, self.scale) = (name, type, scale)
  }
}

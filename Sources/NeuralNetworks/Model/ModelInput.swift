public import SwitchbackPrograms

/// What a model reads of a batch: a field of the data, by its name.
public struct ModelInput: Hashable, Sendable {
  public var name: String
  /// Without the batch: f32 `[28, 28, 1]`, i32 `[T]`.
  public var type: TensorType
  /// Of bytes that stand for numbers: layers read them as f32, multiplied with it. Nil: layers read the field as it is.
  public var scale: Float?
  /// Which steps `[T]` of an input `[T, …]` are valid; nil: all. What is f32 is read as 0 at the others, whatever the data
  /// has there.
  public var mask: Mask?

  public init(_ name: String, _ type: TensorType, scale: Float? = nil, mask: Mask? = nil) {
    (self.name, self.type, self.scale, self.mask) = (name, type, scale, mask)
  }

  /// A field that says which steps of another one are valid.
  public struct Mask: Hashable, Sendable {
    public var name: String
    /// Without the batch: i32 `[]` for lengths, of which the first so many steps are valid, or `[T]` for a mask, of which
    /// those are that differ from 0.
    public var type: TensorType

    public init(_ name: String, _ type: TensorType) { (self.name, self.type) = (name, type) }

    public static func lengths(_ name: String) -> Mask { Mask(name, .int32([])) }

    /// Whether it is lengths.
    package var isLengths: Bool { type == .int32([]) }

    /// Why it says nothing of an input of that type; nil where it does.
    package func fault(of input: TensorType) -> String? {
      guard let steps = input.shape.extents.first else { return "there are no steps along an axis of \(input)" }
      guard isLengths || type.shape == [steps] else {
        return
          "\(name) is \(type), and masks of \(input) are lengths i32[] or one number for each of the \(steps) steps"
      }
      return nil
    }
  }
}

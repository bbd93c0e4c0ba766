import SwitchbackPrograms

/// A part of a network, written in terms of existing operations:
///
///     struct Scaled: Layer {
///       var kind: String { "scaled" }
///       func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
///         let scale = try context.parameter("scale", [input.shape.extents.last!], initializer: .ones)
///         return try context.append(Binary(.multiply), input, scale)
///       }
///     }
///
/// A layer is a description: its weights live outside, as states of the program it is traced into, so the same value
/// used twice gives two layers with weights of their own.
public protocol Layer: Sendable {
  /// Keras's word for it, as it stands in paths: `dense`, `conv2d`, `maxPooling2d`.
  var kind: String { get }
  /// The path the user chose instead of `layers.<index>.<kind>`. Weights of a named layer are found again in a
  /// checkpoint after layers were inserted before it.
  var name: String? { get }
  /// Appends the layer's calls for `input` (whose first axis is the batch) and returns its result.
  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value
}

extension Layer {
  public var name: String? { nil }
}

import SwitchbackPrograms

/// A part of a network with any number of inputs and results. Most have one of each: see `UnaryLayer`.
///
/// A layer is a description: its weights live outside, as states of the program it is traced into, so the same value
/// used twice gives two layers with weights of their own. `Shared` runs a layer again with its weights.
public protocol Layer: Sendable {
  /// Keras's word for it, as it stands in paths: `dense`, `conv2d`, `maxPooling2d`.
  var kind: String { get }
  /// The path the user chose instead of `layers.<index>.<kind>`. Weights of a named layer are found again in a
  /// checkpoint after layers were inserted before it.
  var name: String? { get }
  /// The names of several results. The first result is what the next layer reads; `encoder:state` reads the one called
  /// `state` of the layer called `encoder`.
  var resultNames: [String] { get }
  /// Who changes the gradient in it: what its name stands for when a loss of gradient is attributed. A gate is recorded
  /// besides (`LayerContext.activate`).
  var gradientPart: WayPart { get }
  /// What it does with the masks of its inputs; a layer that says nothing of it is none for masked inputs.
  var masking: Masking { get }
  /// Appends the layer's calls for `inputs` (whose first axis is the batch) and returns its results, at least one.
  func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value]
}

extension Layer {
  public var name: String? { nil }
  public var resultNames: [String] { [] }
  public var gradientPart: WayPart { .weights }
  public var masking: Masking { .unsupported }
}

/// A layer with one input and one result, written in terms of existing operations:
///
///     struct Scaled: UnaryLayer {
///       var kind: String { "scaled" }
///       func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
///         let scale = try context.parameter("scale", [input.shape.extents.last!], initializer: .ones)
///         return try context.append(Binary(.multiply), input, scale)
///       }
///     }
public protocol UnaryLayer: Layer {
  /// Appends the layer's calls for `input` (whose first axis is the batch) and returns its result.
  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value
}

extension UnaryLayer {
  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    guard inputs.count == 1 else {
      let sources = inputs.map { context.source(of: $0) }.joined(separator: ", ")
      throw ProgramError("takes one input, but gets \(inputs.count): \(sources)", path: context.path)
    }
    return [try self(inputs[0], in: &context)]
  }
}

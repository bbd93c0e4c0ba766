import SwitchbackPrograms

/// What the labels of a batch are.
public enum Targets: Hashable, Sendable {
  /// One class a sample, i32 `[N]`, or one a step of predictions `[N, T, classes]`, i32 `[N, T]`; the program turns them into
  /// what the loss needs.
  case classes
  /// Numbers shaped like the predictions, f32 `[N, …]`.
  case values
}

/// What a model says of a batch, as a loss sees it.
public struct Predictions: Sendable {
  public enum Gate: Sendable { case softmax, sigmoid, none }

  /// The model's output, `[N, …]`.
  public let values: Value
  /// What the model ends with.
  public let gate: Gate
  /// What entered that gate; the values themselves where there is none.
  public let logits: Value

  init(values: Value, gate: Gate, logits: Value) { (self.values, self.gate, self.logits) = (values, gate, logits) }

  init(_ values: Value, in builder: inout ProgramBuilder) throws(ProgramError) {
    self.values = values
    var (gated, maker) = (values, Self.maker(of: values, in: builder))
    // The rows of a token-wise layer become sequences behind its gate.
    if let call = maker, call.operation is Reshape {
      let rows = builder.value(call.inputs[0])
      if rows.shape.extents.last == values.shape.extents.last {
        (gated, maker) = (rows, Self.maker(of: rows, in: builder))
      }
    }
    guard let maker, let gate = Self.gate(of: maker.operation, rank: gated.shape.rank) else {
      (self.gate, logits) = (.none, values)
      return
    }
    let entered = builder.value(maker.inputs[0])
    self.gate = gate
    logits = gated == values ? entered : try builder.append(Reshape(shape: values.shape.extents), entered)
  }

  private static func maker(of value: Value, in builder: ProgramBuilder) -> Program.Call? {
    let calls = builder.program.calls
    // By their places, since a call is not copied for a look at it.
    return calls.indices.reversed().first { calls[$0].outputs.contains(value.id) }.map { calls[$0] }
  }

  private static func gate(of operation: any TensorOperation, rank: Int) -> Gate? {
    if let softmax = operation as? Softmax, softmax.axis == rank - 1 { return .softmax }
    return (operation as? Unary)?.function == .sigmoid ? .sigmoid : nil
  }
}

/// How far predictions are from their targets.
public protocol Loss: Sendable {
  /// Keras's word in lowerCamel.
  var name: String { get }
  /// What the labels are unless the user says otherwise.
  var targets: Targets { get }
  /// Whether the model's output is to be read as logits, though it ends with no gate (Keras's `from_logits`).
  var fromLogits: Bool { get }
  /// The gate behind which the model's output is what the loss takes it for: a loss that takes logits implies one that
  /// the model does not end with. What evaluates and predicts answers behind it. nil: the output is the answer.
  var impliedGate: ActivationFunction? { get }
  /// Keras's word for the activation whose results it takes for probabilities; nil where it takes any number.
  var activation: String? { get }
  /// The loss of each sample, `[N]`. `targets` has the predictions' shape.
  func callAsFunction(
    _ predictions: Predictions, _ targets: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value
}

extension Loss {
  public var fromLogits: Bool { false }
  /// Each output is the logit of a question of its own.
  public var impliedGate: ActivationFunction? { fromLogits ? .sigmoid : nil }
  public var activation: String? { nil }
}

extension ProgramBuilder {
  /// The mean over all axes but the first.
  mutating func meanOverFeatures(_ value: Value) throws(ProgramError) -> Value {
    value.shape.rank < 2 ? value : try append(Reduce(.mean, axes: Array(1..<value.shape.rank)), value)
  }

  /// `value · factor`
  mutating func scale(_ value: Value, by factor: Double) throws(ProgramError) -> Value {
    try append(Binary(.multiply), value, scalar(factor, value.type.elementType))
  }

  /// Kept within the bounds; the gradient is 0 outside.
  mutating func clamp(_ value: Value, _ low: Double, _ high: Double) throws(ProgramError) -> Value {
    let raised = try append(Binary(.maximum), value, scalar(low, value.type.elementType))
    return try append(Binary(.minimum), raised, scalar(high, value.type.elementType))
  }

  /// `targets · (1 − smoothing) + smoothing · share` (Szegedy et al., 2016, §7).
  mutating func smooth(_ targets: Value, _ smoothing: Double, share: Double) throws(ProgramError) -> Value {
    guard smoothing != 0 else { return targets }
    guard NumberRange(0...1).contains(smoothing) else {
      throw ProgramError("labelSmoothing must lie in 0 … 1, not be \(smoothing)", path: path)
    }
    let scaled = try scale(targets, by: 1 - smoothing)
    return try append(Binary(.add), scaled, scalar(smoothing * share, targets.type.elementType))
  }
}

/// Probabilities are kept this far from 0 and 1 before a logarithm (Keras's `epsilon`).
let probabilityEpsilon = 1e-7

/// The losses that configurations know.
package let configurableLosses: [any ConfigurableLoss.Type] = [
  CategoricalCrossentropy.self, SparseCategoricalCrossentropy.self, BinaryCrossentropy.self, MeanSquaredError.self,
  MeanAbsoluteError.self, Huber.self,
]

import SwitchbackPrograms

/// Gated recurrent units (Cho et al., 2014): z and r pass through `recurrentActivation`, and
/// h_t = z∘h_{t−1} + (1 − z)∘activation(candidate).
///
/// The gates z r h lie side by side: x `[N, T, D]`, kernel `[D, 3·units]`, recurrentKernel `[units, 3·units]`. With
/// `resetAfter` the gate r multiplies the candidate's product with h_{t−1}, and bias is `[2, 3·units]`, a row for the product
/// of x and one for that of h; without, r multiplies h_{t−1} before the product, and bias is `[3·units]`.
///
/// The result is h behind the last step `[N, units]`, with `returnSequences` h of all steps `[N, T, units]`. A masked step
/// keeps h, and its output is 0. h before the first step may be a further input; it is 0 otherwise.
///
/// With `stateful`, training begins a batch with the states that the one before ended with, sample by sample, through which
/// no gradient flows: over windows of long sequences that is backpropagation through time truncated at the windows. All
/// batches then have one size, and a sample is to begin with the step behind the last of the sample at its place in the batch
/// before: of windows of a series where the batch size times their stride is their length. Evaluation and predictions, and a
/// frozen layer, begin each sequence with 0.
@dynamicMemberLookup
public struct GRU: SequenceOperationLayer {
  public var common: RecurrentSettings
  /// Of the gates z and r.
  public var recurrentActivation: ActivationFunction
  /// Whether the gate r stands behind the product with h.
  public var resetAfter: Bool
  public var name: String?
  public var kind: String { "gru" }

  public init(
    _ units: Int, activation: ActivationFunction = .tanh, recurrentActivation: ActivationFunction = .sigmoid,
    useBias: Bool = true, kernelInitializer: Initializer = .glorotUniform,
    recurrentInitializer: Initializer = .orthogonal(), biasInitializer: Initializer = .zeros,
    kernelRegularizer: Regularizer? = nil, recurrentRegularizer: Regularizer? = nil,
    biasRegularizer: Regularizer? = nil, dropout: Double = 0, recurrentDropout: Double = 0,
    returnSequences: Bool = false, returnState: Bool = false, goBackwards: Bool = false, stateful: Bool = false,
    resetAfter: Bool = true, name: String? = nil
  ) {
    common = RecurrentSettings(
      units: units, activation: activation, useBias: useBias, kernelInitializer: kernelInitializer,
      recurrentInitializer: recurrentInitializer, biasInitializer: biasInitializer,
      kernelRegularizer: kernelRegularizer, recurrentRegularizer: recurrentRegularizer,
      biasRegularizer: biasRegularizer, dropout: dropout, recurrentDropout: recurrentDropout,
      returnSequences: returnSequences, returnState: returnState, goBackwards: goBackwards, stateful: stateful)
    (self.recurrentActivation, self.resetAfter, self.name) = (recurrentActivation, resetAfter, name)
  }

  public subscript<Setting>(dynamicMember path: WritableKeyPath<RecurrentSettings, Setting>) -> Setting {
    get { common[keyPath: path] }
    set { common[keyPath: path] = newValue }
  }

  static let gateCount = 3
  var stateNames: [String] { ["state"] }
  var stateExtents: [[Int]] { [[units]] }

  func run(
    _ input: Value, mask: Value?, from states: [Value], isReversed: Bool, in context: inout LayerContext
  ) throws(ProgramError) -> [StateCourse] {
    let shape: Shape = resetAfter ? [2, 3 * units] : [3 * units]
    let bias = try bias(shape, initializer: common.biasInitializer, in: &context)
    let (projected, kernel) = try project(
      input,
      bias: { context throws(ProgramError) in
        guard let bias, resetAfter else { return bias }
        return try biasRow(0, of: bias, in: &context)
      }, in: &context)
    var operands = [projected, kernel]
    if resetAfter { operands.append(try recurrentBias(bias, in: &context)) }
    operands += states
    let scale = try recurrentScale(input.shape[0], in: &context)
    let operation = GRURecurrence(
      activation: try common.activation.recurrent("activation", in: context),
      recurrentActivation: try recurrentActivation.recurrent("recurrent_activation", in: context),
      resetAfter: resetAfter, isMasked: mask != nil, isReversed: isReversed, isScaled: scale != nil)
    let results = try context.builder.append(operation, operands + [mask, scale].compactMap { $0 })
    context.recordActivation(common.activation.word, projected, results[0], course: course(isReversed))
    return [.sequence(results[0]), .sequence(results[0])]
  }

  /// Of the product with h.
  private func recurrentBias(_ bias: Value?, in context: inout LayerContext) throws(ProgramError) -> Value {
    if let bias { return try biasRow(1, of: bias, in: &context) }
    return try context.append(Fill(value: 0, shape: [3 * units], elementType: .float32))
  }

  private func biasRow(_ row: Int, of bias: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let part = try context.append(Slice(starts: [row, 0], sizes: [1, 3 * units]), bias)
    return try context.append(Reshape(shape: [3 * units]), part)
  }
}

extension GRU: ConfigurableLayer {
  package static let settings = Settings<GRU>(
    "gru", of: GRU(1), help: "Gated recurrent units over the steps of sequences [N, T, D]",
    keys: [
      unitsKey, activationKey(help: "What the candidate passes through"),
      .activation("recurrent_activation", \.recurrentActivation, help: "What the two gates pass through"),
    ] + initialKeys + courseKeys(returnState: "Whether the state behind the last step is a result: NAME:state") + [
      .bool("reset_after", \.resetAfter, help: "Whether the reset gate stands behind its product, with two biases")
    ])
}

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
public struct GRU: SequenceOperationLayer {
  public var units: Int
  public var activation: ActivationFunction
  /// Of the gates z and r.
  public var recurrentActivation: ActivationFunction
  public var useBias: Bool
  public var kernelInitializer: Initializer
  public var recurrentInitializer: Initializer
  public var biasInitializer: Initializer
  public var kernelRegularizer: Regularizer?
  public var recurrentRegularizer: Regularizer?
  public var biasRegularizer: Regularizer?
  /// The share of the features of x, and of h in its products, that become 0 in training, the same at all steps of a
  /// sequence (Gal and Ghahramani, 2016).
  public var dropout: Double
  public var recurrentDropout: Double
  public var returnSequences: Bool
  public var returnState: Bool
  /// From the last step to the first; sequences are answered in that order.
  public var goBackwards: Bool
  public var stateful: Bool
  /// Whether the gate r stands behind the product with h.
  public var resetAfter: Bool
  public var name: String?
  public var kind: String { "gru" }
  public var masking: Masking { .consumed }
  public var resultNames: [String] { answeredNames }

  public init(
    _ units: Int, activation: ActivationFunction = .tanh, recurrentActivation: ActivationFunction = .sigmoid,
    useBias: Bool = true, kernelInitializer: Initializer = .glorotUniform,
    recurrentInitializer: Initializer = .orthogonal(), biasInitializer: Initializer = .zeros,
    kernelRegularizer: Regularizer? = nil, recurrentRegularizer: Regularizer? = nil,
    biasRegularizer: Regularizer? = nil, dropout: Double = 0, recurrentDropout: Double = 0,
    returnSequences: Bool = false, returnState: Bool = false, goBackwards: Bool = false, stateful: Bool = false,
    resetAfter: Bool = true, name: String? = nil
  ) {
    (self.units, self.activation, self.recurrentActivation) = (units, activation, recurrentActivation)
    self.useBias = useBias
    self.kernelInitializer = kernelInitializer
    self.recurrentInitializer = recurrentInitializer
    self.biasInitializer = biasInitializer
    self.kernelRegularizer = kernelRegularizer
    self.recurrentRegularizer = recurrentRegularizer
    self.biasRegularizer = biasRegularizer
    (self.dropout, self.recurrentDropout) = (dropout, recurrentDropout)
    (self.returnSequences, self.returnState) = (returnSequences, returnState)
    (self.goBackwards, self.stateful) = (goBackwards, stateful)
    (self.resetAfter, self.name) = (resetAfter, name)
  }

  static let gateCount = 3
  var stateNames: [String] { ["state"] }
  var stateExtents: [[Int]] { [[units]] }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    try context.recur(self, inputs)
  }

  func run(
    _ input: Value, mask: Value?, from states: [Value], isReversed: Bool, in context: inout LayerContext
  ) throws(ProgramError) -> [StateCourse] {
    let shape: Shape = resetAfter ? [2, 3 * units] : [3 * units]
    let bias =
      try useBias
      ? context.parameter("bias", shape, initializer: biasInitializer, regularizer: biasRegularizer) : nil
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
      activation: try activation.recurrent("activation", in: context),
      recurrentActivation: try recurrentActivation.recurrent("recurrent_activation", in: context),
      resetAfter: resetAfter, isMasked: mask != nil, isReversed: isReversed, isScaled: scale != nil)
    let results = try context.builder.append(operation, operands + [mask, scale].compactMap { $0 })
    context.recordActivation(activation.word, projected, results[0], course: course(isReversed))
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
      .integer("units", \.units, in: .extents, .required, help: RecurrentHelp.units),
      .activation("activation", \.activation, help: "What the candidate passes through"),
      .activation("recurrent_activation", \.recurrentActivation, help: "What the two gates pass through"),
      .bool("use_bias", \.useBias, help: "Whether a bias is added"),
      .initializer("kernel_initializer", \.kernelInitializer, help: RecurrentHelp.kernel),
      .initializer("recurrent_initializer", \.recurrentInitializer, help: RecurrentHelp.recurrentKernel),
      .initializer("bias_initializer", \.biasInitializer, help: "How the bias starts"),
      .regularizer("kernel_regularizer", \.kernelRegularizer, help: "What the kernel's size adds to the loss"),
      .regularizer("recurrent_regularizer", \.recurrentRegularizer, help: RecurrentHelp.recurrentRegularizer),
      .regularizer("bias_regularizer", \.biasRegularizer, help: "What the bias's size adds to the loss"),
      .number("dropout", \.dropout, in: .kept, help: RecurrentHelp.dropout),
      .number("recurrent_dropout", \.recurrentDropout, in: .kept, help: RecurrentHelp.recurrentDropout),
      .bool("return_sequences", \.returnSequences, help: RecurrentHelp.returnSequences),
      .bool("return_state", \.returnState, help: "Whether the state behind the last step is a result: NAME:state"),
      .bool("go_backwards", \.goBackwards, help: RecurrentHelp.goBackwards),
      .bool("stateful", \.stateful, help: RecurrentHelp.stateful),
      .bool("reset_after", \.resetAfter, help: "Whether the reset gate stands behind its product, with two biases"),
    ])
}

import SwitchbackPrograms

/// Long short-term memory (Hochreiter and Schmidhuber, 1997; with the forget gate of Gers, Schmidhuber and Cummins, 2000):
/// z = x_t · kernel + h_{t−1} · recurrentKernel + bias holds the gates i f c o side by side, i, f and o behind
/// `recurrentActivation`, c behind `activation`; c_t = f∘c_{t−1} + i∘c and h_t = o∘activation(c_t).
///
/// x `[N, T, D]`, kernel `[D, 4·units]`, recurrentKernel `[units, 4·units]`, bias `[4·units]`. The result is h behind the
/// last step `[N, units]`, with `returnSequences` h of all steps `[N, T, units]`. A masked step keeps both states, and its
/// output is 0. The states `state` (h) and `carry` (c) before the first step may be further inputs; they are 0 otherwise.
///
/// With `stateful`, training begins a batch with the states that the one before ended with, sample by sample, through which
/// no gradient flows: over windows of long sequences that is backpropagation through time truncated at the windows. All
/// batches then have one size, and a sample is to begin with the step behind the last of the sample at its place in the batch
/// before: of windows of a series where the batch size times their stride is their length. Evaluation and predictions, and a
/// frozen layer, begin each sequence with 0.
public struct LSTM: SequenceOperationLayer {
  public var units: Int
  public var activation: ActivationFunction
  /// Of the gates i, f and o.
  public var recurrentActivation: ActivationFunction
  public var useBias: Bool
  public var kernelInitializer: Initializer
  public var recurrentInitializer: Initializer
  public var biasInitializer: Initializer
  /// Whether the bias of the forget gate starts with 1, whatever `biasInitializer` says.
  public var unitForgetBias: Bool
  public var kernelRegularizer: Regularizer?
  public var recurrentRegularizer: Regularizer?
  public var biasRegularizer: Regularizer?
  /// The share of the features of x, and of h in its product, that become 0 in training, the same at all steps of a
  /// sequence (Gal and Ghahramani, 2016).
  public var dropout: Double
  public var recurrentDropout: Double
  public var returnSequences: Bool
  public var returnState: Bool
  /// From the last step to the first; sequences are answered in that order.
  public var goBackwards: Bool
  public var stateful: Bool
  public var name: String?
  public var kind: String { "lstm" }
  public var masking: Masking { .consumed }
  public var resultNames: [String] { answeredNames }

  public init(
    _ units: Int, activation: ActivationFunction = .tanh, recurrentActivation: ActivationFunction = .sigmoid,
    useBias: Bool = true, kernelInitializer: Initializer = .glorotUniform,
    recurrentInitializer: Initializer = .orthogonal(), biasInitializer: Initializer = .zeros,
    unitForgetBias: Bool = true, kernelRegularizer: Regularizer? = nil, recurrentRegularizer: Regularizer? = nil,
    biasRegularizer: Regularizer? = nil, dropout: Double = 0, recurrentDropout: Double = 0,
    returnSequences: Bool = false, returnState: Bool = false, goBackwards: Bool = false, stateful: Bool = false,
    name: String? = nil
  ) {
    (self.units, self.activation, self.recurrentActivation) = (units, activation, recurrentActivation)
    self.useBias = useBias
    self.kernelInitializer = kernelInitializer
    self.recurrentInitializer = recurrentInitializer
    self.biasInitializer = biasInitializer
    self.unitForgetBias = unitForgetBias
    self.kernelRegularizer = kernelRegularizer
    self.recurrentRegularizer = recurrentRegularizer
    self.biasRegularizer = biasRegularizer
    (self.dropout, self.recurrentDropout) = (dropout, recurrentDropout)
    (self.returnSequences, self.returnState) = (returnSequences, returnState)
    (self.goBackwards, self.stateful, self.name) = (goBackwards, stateful, name)
  }

  static let gateCount = 4
  var stateNames: [String] { ["state", "carry"] }
  var stateExtents: [[Int]] { [[units], [units]] }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    try context.recur(self, inputs)
  }

  func run(
    _ input: Value, mask: Value?, from states: [Value], isReversed: Bool, in context: inout LayerContext
  ) throws(ProgramError) -> [StateCourse] {
    let (projected, kernel) = try project(
      input,
      bias: { context throws(ProgramError) in
        guard useBias else { return nil }
        let initializer =
          unitForgetBias ? Initializer.openForgetGate(biasInitializer, units: units) : biasInitializer
        return try context.parameter("bias", [4 * units], initializer: initializer, regularizer: biasRegularizer)
      }, in: &context)
    let scale = try recurrentScale(input.shape[0], in: &context)
    let operation = LSTMRecurrence(
      activation: try activation.recurrent("activation", in: context),
      recurrentActivation: try recurrentActivation.recurrent("recurrent_activation", in: context),
      isMasked: mask != nil, isReversed: isReversed, isScaled: scale != nil)
    let results = try context.builder.append(
      operation, [projected, kernel] + states + [mask, scale].compactMap { $0 })
    context.recordActivation(activation.word, projected, results[0], course: course(isReversed))
    return [.sequence(results[0]), .sequence(results[0]), .sequence(results[1])]
  }
}

extension LSTM: ConfigurableLayer {
  package static let settings = Settings<LSTM>(
    "lstm", of: LSTM(1), help: "Long short-term memory over the steps of sequences [N, T, D]",
    keys: [
      .integer("units", \.units, in: .extents, .required, help: RecurrentHelp.units),
      .activation("activation", \.activation, help: "What the candidate and the carried state pass through"),
      .activation("recurrent_activation", \.recurrentActivation, help: "What the three gates pass through"),
      .bool("use_bias", \.useBias, help: "Whether a bias is added"),
      .initializer("kernel_initializer", \.kernelInitializer, help: RecurrentHelp.kernel),
      .initializer("recurrent_initializer", \.recurrentInitializer, help: RecurrentHelp.recurrentKernel),
      .initializer("bias_initializer", \.biasInitializer, help: "How the bias starts"),
      .bool("unit_forget_bias", \.unitForgetBias, help: "Whether the forget gate's bias starts with 1"),
      .regularizer("kernel_regularizer", \.kernelRegularizer, help: "What the kernel's size adds to the loss"),
      .regularizer("recurrent_regularizer", \.recurrentRegularizer, help: RecurrentHelp.recurrentRegularizer),
      .regularizer("bias_regularizer", \.biasRegularizer, help: "What the bias's size adds to the loss"),
      .number("dropout", \.dropout, in: .kept, help: RecurrentHelp.dropout),
      .number("recurrent_dropout", \.recurrentDropout, in: .kept, help: RecurrentHelp.recurrentDropout),
      .bool("return_sequences", \.returnSequences, help: RecurrentHelp.returnSequences),
      .bool(
        "return_state", \.returnState, help: "Whether the last states are results too: NAME:state and NAME:carry"),
      .bool("go_backwards", \.goBackwards, help: RecurrentHelp.goBackwards),
      .bool("stateful", \.stateful, help: RecurrentHelp.stateful),
    ])
}

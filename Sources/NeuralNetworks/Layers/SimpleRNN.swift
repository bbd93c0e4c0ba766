import SwitchbackPrograms

/// h_t = activation(x_t · kernel + h_{t−1} · recurrentKernel + bias) at each step t (Elman, *Finding structure in time*,
/// 1990): x `[N, T, D]`, kernel `[D, units]`, recurrentKernel `[units, units]`, bias `[units]`.
///
/// The result is h behind the last step `[N, units]`, with `returnSequences` h of all steps `[N, T, units]`. A masked step
/// keeps h, and its output is 0. h before the first step may be a further input; it is 0 otherwise.
///
/// With `stateful`, training begins a batch with the states that the one before ended with, sample by sample, through which
/// no gradient flows: over windows of long sequences that is backpropagation through time truncated at the windows. All
/// batches then have one size, and a sample is to begin with the step behind the last of the sample at its place in the batch
/// before: of windows of a series where the batch size times their stride is their length. Evaluation and predictions, and a
/// frozen layer, begin each sequence with 0.
public struct SimpleRNN: SequenceOperationLayer {
  public var units: Int
  public var activation: ActivationFunction
  public var useBias: Bool
  public var kernelInitializer: Initializer
  public var recurrentInitializer: Initializer
  public var biasInitializer: Initializer
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
  public var kind: String { "simpleRnn" }
  public var masking: Masking { .consumed }
  public var resultNames: [String] { answeredNames }

  public init(
    _ units: Int, activation: ActivationFunction = .tanh, useBias: Bool = true,
    kernelInitializer: Initializer = .glorotUniform, recurrentInitializer: Initializer = .orthogonal(),
    biasInitializer: Initializer = .zeros, kernelRegularizer: Regularizer? = nil,
    recurrentRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, dropout: Double = 0,
    recurrentDropout: Double = 0, returnSequences: Bool = false, returnState: Bool = false,
    goBackwards: Bool = false, stateful: Bool = false, name: String? = nil
  ) {
    (self.units, self.activation, self.useBias) = (units, activation, useBias)
    self.kernelInitializer = kernelInitializer
    self.recurrentInitializer = recurrentInitializer
    self.biasInitializer = biasInitializer
    self.kernelRegularizer = kernelRegularizer
    self.recurrentRegularizer = recurrentRegularizer
    self.biasRegularizer = biasRegularizer
    (self.dropout, self.recurrentDropout) = (dropout, recurrentDropout)
    (self.returnSequences, self.returnState) = (returnSequences, returnState)
    (self.goBackwards, self.stateful, self.name) = (goBackwards, stateful, name)
  }

  static let gateCount = 1
  var stateNames: [String] { ["state"] }
  var stateExtents: [[Int]] { [[units]] }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    try context.recur(self, inputs)
  }

  func run(
    _ input: Value, mask: Value?, from states: [Value], isReversed: Bool, in context: inout LayerContext
  ) throws(ProgramError) -> [StateCourse] {
    let (projected, kernel) = try project(
      input,
      bias: { context throws(ProgramError) in
        try useBias
          ? context.parameter("bias", [units], initializer: biasInitializer, regularizer: biasRegularizer) : nil
      }, in: &context)
    let scale = try recurrentScale(input.shape[0], in: &context)
    let operation = SimpleRecurrence(
      activation: try activation.recurrent("activation", in: context), isMasked: mask != nil, isReversed: isReversed,
      isScaled: scale != nil)
    let outputs = try context.builder.append(
      operation, [projected, kernel] + states + [mask, scale].compactMap { $0 })
    context.recordActivation(activation.word, projected, outputs[0], course: course(isReversed))
    return [.sequence(outputs[0]), .sequence(outputs[0])]
  }
}

extension SimpleRNN: ConfigurableLayer {
  package static let settings = Settings<SimpleRNN>(
    "simple_rnn", of: SimpleRNN(1), help: "A state that each step of sequences [N, T, D] changes",
    keys: [
      .integer("units", \.units, in: .extents, .required, help: RecurrentHelp.units),
      .activation("activation", \.activation, help: "What the new state passes through"),
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
    ])
}

/// Lines of help that the recurrent layers have in common.
enum RecurrentHelp {
  static let units = "How many numbers the state has"
  static let kernel = "How the kernel of the inputs starts"
  static let recurrentKernel = "How the kernel of the state starts"
  static let recurrentRegularizer = "What the size of the state's kernel adds to the loss"
  static let dropout = "The share of the inputs' features that training drops, the same at all steps"
  static let recurrentDropout = "The share of the state that training drops in products, the same at all steps"
  static let returnSequences = "Whether the result is the outputs of all steps, not that of the last one"
  static let goBackwards = "From the last step to the first; sequences are answered in that order"
  static let stateful = "Each batch goes on from the last one's states: truncated backpropagation through time"
}

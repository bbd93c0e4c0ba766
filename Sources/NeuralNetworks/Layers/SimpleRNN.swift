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
@dynamicMemberLookup
public struct SimpleRNN: SequenceOperationLayer {
  public var common: RecurrentSettings
  public var name: String?
  public var kind: String { "simpleRnn" }

  public init(
    _ units: Int, activation: ActivationFunction = .tanh, useBias: Bool = true,
    kernelInitializer: Initializer = .glorotUniform, recurrentInitializer: Initializer = .orthogonal(),
    biasInitializer: Initializer = .zeros, kernelRegularizer: Regularizer? = nil,
    recurrentRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, dropout: Double = 0,
    recurrentDropout: Double = 0, returnSequences: Bool = false, returnState: Bool = false,
    goBackwards: Bool = false, stateful: Bool = false, name: String? = nil
  ) {
    common = RecurrentSettings(
      units: units, activation: activation, useBias: useBias, kernelInitializer: kernelInitializer,
      recurrentInitializer: recurrentInitializer, biasInitializer: biasInitializer,
      kernelRegularizer: kernelRegularizer, recurrentRegularizer: recurrentRegularizer,
      biasRegularizer: biasRegularizer, dropout: dropout, recurrentDropout: recurrentDropout,
      returnSequences: returnSequences, returnState: returnState, goBackwards: goBackwards, stateful: stateful)
    self.name = name
  }

  public subscript<Setting>(dynamicMember path: WritableKeyPath<RecurrentSettings, Setting>) -> Setting {
    get { common[keyPath: path] }
    set { common[keyPath: path] = newValue }
  }

  static let gateCount = 1
  var stateNames: [String] { ["state"] }
  var stateExtents: [[Int]] { [[units]] }

  func run(
    _ input: Value, mask: Value?, from states: [Value], isReversed: Bool, in context: inout LayerContext
  ) throws(ProgramError) -> [StateCourse] {
    let (projected, kernel) = try project(
      input,
      bias: { context throws(ProgramError) in
        try bias([units], initializer: common.biasInitializer, in: &context)
      }, in: &context)
    let scale = try recurrentScale(input.shape[0], in: &context)
    let operation = SimpleRecurrence(
      activation: try common.activation.recurrent("activation", in: context), isMasked: mask != nil,
      isReversed: isReversed,
      isScaled: scale != nil)
    let outputs = try context.builder.append(
      operation, [projected, kernel] + states + [mask, scale].compactMap { $0 })
    context.recordActivation(common.activation.word, projected, outputs[0], course: course(isReversed))
    return [.sequence(outputs[0]), .sequence(outputs[0])]
  }
}

extension SimpleRNN: ConfigurableLayer {
  package static let settings = Settings<SimpleRNN>(
    "simple_rnn", of: SimpleRNN(1), help: "A state that each step of sequences [N, T, D] changes",
    keys: [
      unitsKey, activationKey(help: "What the new state passes through"),
    ] + initialKeys + courseKeys(returnState: "Whether the state behind the last step is a result: NAME:state"))
}

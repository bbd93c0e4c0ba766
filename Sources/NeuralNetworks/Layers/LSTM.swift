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
@dynamicMemberLookup
public struct LSTM: SequenceOperationLayer {
  public var common: RecurrentSettings
  /// Of the gates i, f and o.
  public var recurrentActivation: ActivationFunction
  /// Whether the bias of the forget gate starts with 1, whatever `biasInitializer` says.
  public var unitForgetBias: Bool
  public var name: String?
  public var kind: String { "lstm" }

  public init(
    _ units: Int, activation: ActivationFunction = .tanh, recurrentActivation: ActivationFunction = .sigmoid,
    useBias: Bool = true, kernelInitializer: Initializer = .glorotUniform,
    recurrentInitializer: Initializer = .orthogonal(), biasInitializer: Initializer = .zeros,
    unitForgetBias: Bool = true, kernelRegularizer: Regularizer? = nil, recurrentRegularizer: Regularizer? = nil,
    biasRegularizer: Regularizer? = nil, dropout: Double = 0, recurrentDropout: Double = 0,
    returnSequences: Bool = false, returnState: Bool = false, goBackwards: Bool = false, stateful: Bool = false,
    name: String? = nil
  ) {
    common = RecurrentSettings(
      units: units, activation: activation, useBias: useBias, kernelInitializer: kernelInitializer,
      recurrentInitializer: recurrentInitializer, biasInitializer: biasInitializer,
      kernelRegularizer: kernelRegularizer, recurrentRegularizer: recurrentRegularizer,
      biasRegularizer: biasRegularizer, dropout: dropout, recurrentDropout: recurrentDropout,
      returnSequences: returnSequences, returnState: returnState, goBackwards: goBackwards, stateful: stateful)
    (self.recurrentActivation, self.unitForgetBias, self.name) = (recurrentActivation, unitForgetBias, name)
  }

  public subscript<Setting>(dynamicMember path: WritableKeyPath<RecurrentSettings, Setting>) -> Setting {
    get { common[keyPath: path] }
    set { common[keyPath: path] = newValue }
  }

  static let gateCount = 4
  var stateNames: [String] { ["state", "carry"] }
  var stateExtents: [[Int]] { [[units], [units]] }

  func run(
    _ input: Value, mask: Value?, from states: [Value], isReversed: Bool, in context: inout LayerContext
  ) throws(ProgramError) -> [StateCourse] {
    let (projected, kernel) = try project(
      input,
      bias: { context throws(ProgramError) in
        let initializer = common.biasInitializer
        return try bias(
          [4 * units], initializer: unitForgetBias ? .openForgetGate(initializer, units: units) : initializer,
          in: &context)
      }, in: &context)
    let scale = try recurrentScale(input.shape[0], in: &context)
    let operation = LSTMRecurrence(
      activation: try common.activation.recurrent("activation", in: context),
      recurrentActivation: try recurrentActivation.recurrent("recurrent_activation", in: context),
      isMasked: mask != nil, isReversed: isReversed, isScaled: scale != nil)
    let results = try context.builder.append(
      operation, [projected, kernel] + states + [mask, scale].compactMap { $0 })
    context.recordActivation(common.activation.word, projected, results[0], course: course(isReversed))
    return [.sequence(results[0]), .sequence(results[0]), .sequence(results[1])]
  }
}

extension LSTM: ConfigurableLayer {
  package static let settings = Settings<LSTM>(
    "lstm", of: LSTM(1), help: "Long short-term memory over the steps of sequences [N, T, D]",
    keys: [
      unitsKey, activationKey(help: "What the candidate and the carried state pass through"),
      .activation("recurrent_activation", \.recurrentActivation, help: "What the three gates pass through"),
    ] + initialKeys + [
      .bool("unit_forget_bias", \.unitForgetBias, help: "Whether the forget gate's bias starts with 1")
    ] + courseKeys(returnState: "Whether the last states are results too: NAME:state and NAME:carry"))
}

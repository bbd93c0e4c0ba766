import SwitchbackPrograms

/// The settings that `SimpleRNN`, `LSTM` and `GRU` have in common. Each reads and sets them as its own: `layer.units`.
public struct RecurrentSettings: CommonSettings, Hashable {
  /// How many numbers a state has.
  public var units: Int
  /// What a new state, or its candidate, passes through.
  public var activation: ActivationFunction
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
}

/// The common settings' keys.
extension SequenceOperationLayer {
  typealias Keys = [Setting<Self>]

  static var unitsKey: Setting<Self> {
    .integer("units", \.common.units, in: .extents, .required, help: "How many numbers the state has")
  }

  static func activationKey(help: String) -> Setting<Self> {
    .activation("activation", \.common.activation, help: help)
  }

  /// How the weights start.
  static var initialKeys: Keys {
    [
      .bool("use_bias", \.common.useBias, help: "Whether a bias is added"),
      .initializer("kernel_initializer", \.common.kernelInitializer, help: "How the kernel of the inputs starts"),
      .initializer("recurrent_initializer", \.common.recurrentInitializer, help: "How the kernel of the state starts"),
      .initializer("bias_initializer", \.common.biasInitializer, help: "How the bias starts"),
    ]
  }

  /// What weighs on training, and how a sequence is gone through.
  static func courseKeys(returnState: String) -> Keys {
    [
      .regularizer(
        "kernel_regularizer", \.common.kernelRegularizer, help: "What the kernel's size adds to the loss"),
      .regularizer(
        "recurrent_regularizer", \.common.recurrentRegularizer,
        help: "What the size of the state's kernel adds to the loss"),
      .regularizer("bias_regularizer", \.common.biasRegularizer, help: "What the bias's size adds to the loss"),
      .number(
        "dropout", \.common.dropout, in: .kept,
        help: "The share of the inputs' features that training drops, the same at all steps"),
      .number(
        "recurrent_dropout", \.common.recurrentDropout, in: .kept,
        help: "The share of the state that training drops in products, the same at all steps"),
      .bool(
        "return_sequences", \.common.returnSequences,
        help: "Whether the result is the outputs of all steps, not that of the last one"),
      .bool("return_state", \.common.returnState, help: returnState),
      .bool(
        "go_backwards", \.common.goBackwards,
        help: "From the last step to the first; sequences are answered in that order"),
      .bool(
        "stateful", \.common.stateful,
        help: "Each batch goes on from the last one's states: truncated backpropagation through time"),
    ]
  }
}

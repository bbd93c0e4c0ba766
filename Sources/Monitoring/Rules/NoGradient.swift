/// Why no gradient at all arrives at the first layer.
public enum NoGradientCause: Hashable, Sendable {
  /// Every number of all inputs is 0.
  case zeroInputs
  /// The weights that should hand it on are all 0.
  case zeroWeights
  /// The biases of the layer that is switched off began below 0.
  case negativeBiases
  /// Its units were off from the start: no update has moved its weights.
  case closedAtStart
  /// An update switched them off; the first look that saw it, where one before saw a gradient.
  case killed(since: Int?)
  /// Dropout leaves so little that gates close behind it; the share that it sets to 0.
  case dropout(Double)
  /// It shrinks below what Float32 holds.
  case underflow
  case unknown

  var word: String? {
    switch self {
    case .zeroInputs: "zeroInputs"
    case .zeroWeights: "zeroWeights"
    case .negativeBiases: "negativeBiases"
    case .closedAtStart: "closedAtStart"
    case .killed: "update"
    case .dropout: "dropout"
    case .underflow: "underflow"
    case .unknown: nil
    }
  }

  /// `layer` is where it ends.
  fileprivate func words(_ layer: String) -> String {
    switch self {
    case .zeroInputs:
      "every input is 0, so no unit of \(layer) is switched on. Look at how the data is read and scaled; no setting of the "
        + "network helps."
    case .zeroWeights:
      "the weights of \(layer) are all 0 and hand nothing back. Such weights stay 0 behind units that answer 0: start them "
        + "otherwise (kernel_initializer: glorot_uniform, or he_normal for relu)."
    case .negativeBiases:
      "the biases of \(layer) begin below 0 and switch every unit off. Start them at 0 (bias_initializer: zeros)."
    case .closedAtStart:
      "every unit of \(layer) has been switched off from the start, and no update has moved its weights. Try leaky_relu, "
        + "inputs around 0, or other initial weights; another learning rate changes nothing."
    case .killed(let since):
      "every unit of \(layer) is switched off, and an update did that\(since.map { ", before step \($0)" } ?? ""). Lower "
        + "training.optimizer.learning_rate, or use leaky_relu; what is dead stays dead."
    case .dropout(let share):
      "dropout sets \(Int((share * 100).rounded())) % to 0 there, and the rest is switched off at \(layer). Lower the rate of "
        + "dropout."
    case .underflow:
      "behind \(layer) it is smaller than what Float32 holds. Try he_normal (relu) or glorot_uniform (tanh), or "
        + "batch_normalization."
    case .unknown: "every unit of \(layer) is switched off."
    }
  }
}

extension Finding {
  /// Says why nothing arrives, of a finding with `noGradient`: its subject is the layer where the gradient ends.
  public mutating func explain(_ reason: NoGradientCause) {
    cause = reason.word
    if case .dropout(let share) = reason { evidence["droppedShare"] = share }
    let first = layers.first ?? ""
    message = "No gradient at all arrives at \(first): \(reason.words(subject ?? first))"
  }
}

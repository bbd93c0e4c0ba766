/// What made the first value of a step that is infinite or NaN, as a replay of the step knows it.
public enum NonFiniteCause: Hashable, Sendable {
  /// The batch itself: the field, how many numbers of each kind, and which samples of the batch, from 0.
  case input(field: String, nans: Int, infinities: Int, samples: [Int])
  /// A weight that an update of before had left so.
  case weights(String)
  /// An operation that computes with weights alone: a regularizer, of a layer.
  case regularizer(label: String, path: String, nans: Int, infinities: Int)
  /// An operation behind the network's outputs.
  case loss(label: String, nans: Int, infinities: Int)
  case operation(label: String, path: String, nans: Int, infinities: Int)
  /// The reference makes none of the same weights and batch; `command` says which operation does.
  case backend(command: String)
  case unknown
}

extension Finding {
  /// Adds what made the first such value, whether the weights are good, and what helps against just that.
  public mutating func explain(_ cause: NonFiniteCause) {
    func count(_ nans: Int, _ infinities: Int) {
      (evidence["nans"], evidence["infinities"]) = (Double(nans), Double(infinities))
    }
    func lead(_ path: String) { layers = [path] + layers.filter { $0 != path } }
    let isGood = " The weights are those of the last good step."
    switch cause {
    case .input(let field, let nans, let infinities, let samples):
      (subject, self.cause) = (field, "input")
      count(nans, infinities)
      evidence["samples"] = Double(samples.count)
      let places = samples.prefix(5).map { "\($0 + 1)" }.joined(separator: ", ")
      message =
        "The batch holds numbers that are infinite or NaN: \(nans + infinities) in \(field), in "
        + (samples.count == 1 ? "its sample \(places)" : "its samples \(places)\(samples.count > 5 ? ", …" : "")")
        + ". The step was not applied.\(isGood) Mend these samples or leave them out; neither a lower rate nor clipping helps."
    case .weights(let name):
      (subject, self.cause) = (name, "weights")
      message +=
        " But \(name) is infinite or NaN already: an update of finite gradients overflowed. Lower "
        + "training.optimizer.learning_rate, or set its global_clipnorm to 1."
    case .regularizer(let label, let path, let nans, let infinities):
      (subject, self.cause) = (label, "regularizer")
      count(nans, infinities)
      lead(path)
      message =
        "\(label) made the first value that is infinite or not a number, of the weights alone: it is what the size of "
        + "\(path)'s weights adds to the loss. \(message)\(isGood) Lower the factor of its regularizer, or start with smaller "
        + "weights."
    case .loss(let label, let nans, let infinities):
      (subject, self.cause) = ("loss", "loss")
      count(nans, infinities)
      lead("loss")
      message =
        "\(label) made the first value that is infinite or not a number: the outputs of the network are finite, and the loss "
        + "of them is not. \(message)\(isGood) \(advice) Targets that are very large, and losses of probabilities where those "
        + "of logits would do (from_logits: true), do the same."
    case .operation(let label, let path, let nans, let infinities):
      (subject, self.cause) = (label, "operation")
      count(nans, infinities)
      lead(path)
      message =
        "\(label) made the first value that is infinite or not a number. \(message)\(isGood) \(advice)"
    case .backend(let command):
      self.cause = "backend"
      message =
        "The reference gets finite numbers from the same weights and batch, so a backend computes wrongly: \(command) says "
        + "which operation. \(message)\(isGood)"
    case .unknown:
      message += isGood + " " + advice
    }
  }

  /// What helps, by what was seen before it broke.
  private var advice: String {
    guard let step = evidence["stepBefore"].map({ Int($0) }) else {
      return
        "It broke before the first look at the gradients: scale the inputs, try he_normal (relu) or glorot_uniform "
        + "(tanh), and a training.optimizer.learning_rate that is ten times lower."
    }
    let (grown, first) = (evidence["grownDecadesBefore"] ?? 0, evidence["grownDecadesFirst"] ?? 0)
    // What grew from the first look on no update has made.
    if grown >= 3, first >= 3 {
      return
        "At step \(step) the gradient grew by \(rounded(grown)) decades from the loss to where it was largest: the "
        + "weights are too large for the activations. Try he_normal (relu) or glorot_uniform (tanh); neither a lower rate nor "
        + "clipping cures that."
    }
    if let ratio = evidence["updateRatioBefore"], ratio > 0.1 {
      return
        "At step \(step) an update changed a layer by \(shortened(ratio)) of its weights (healthy: about 1e-3): lower "
        + "training.optimizer.learning_rate, or set its global_clipnorm to 1."
    }
    if grown >= 3 {
      return
        "By step \(step) the gradient had come to grow by \(rounded(grown)) decades from the loss to where it was largest: "
        + "updates made the weights too large. Lower training.optimizer.learning_rate, or set its global_clipnorm to 1."
    }
    if let loss = evidence["lossBefore"], let first = evidence["firstLoss"], loss > 10 * first {
      return "The loss had risen from \(shortened(first)) to \(shortened(loss)) by step \(step): lower "
        + "training.optimizer.learning_rate, or set its global_clipnorm to 1."
    }
    return
      "Nothing had grown by step \(step): look at this batch, and at whatever divides or takes roots or logarithms "
      + "there. training.optimizer.global_clipnorm: 1 limits what one batch can do; a lower rate need not help."
  }
}

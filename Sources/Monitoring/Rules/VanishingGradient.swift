/// δ shrinks towards the input: the first layers learn next to nothing.
///
/// Judged by D = log₁₀(max ‖δ‖ / ‖δ₁‖). D ≥ 3 separated the dead from the trainable networks in nine measured cases;
/// the ratio of parameter gradients did not (a 30-layer Xavier relu network is dead with a ratio of 5.6).
public struct VanishingGradient: Rule {
  public let name = "vanishingGradient"
  /// D from which a layer counts as starved.
  public var decades: Double
  private var persistence: Persistence

  /// `observations` is how many steps in a row must show it.
  public init(decades: Double = 3, observations: Int = 10) {
    self.decades = decades
    persistence = Persistence(needed: observations)
  }

  public var memory: [String: Int] {
    get { persistence.memory() }
    set { persistence.recall(newValue) }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard rows.isFinite else { return nil }
    let flow = rows.flow
    // A loss that reached zero leaves no gradient to compare.
    let isBad = flow.largest > 1e-30 && flow.lostDecades >= decades
    guard persistence.opens(isBad), let first = flow.first else { return nil }
    let starved = flow.starved(below: decades).map(\.path)
    let updates = rows.rows.filter { $0.probe.kind == .parameterUpdate && $0.probe.path.hasPrefix(first.path + "/") }
    let parameters = rows.rows.filter { $0.probe.kind == .parameter && $0.probe.path.hasPrefix(first.path + "/") }
    let ratio = zip(updates, parameters).filter { $0.0.probe.rank >= 2 && $0.1.statistics.l2 > 0 }
      .map { $0.0.statistics.l2 / $0.1.statistics.l2 }.max()
    var evidence = [
      "decades": flow.lostDecades, "firstNorm": first.norm, "largestNorm": flow.largest,
      "layers": Double(first.length),
    ]
    (evidence["gateDecades"], evidence["weightDecades"]) = (flow.gateDecades, flow.weightDecades)
    evidence["updateRatio"] = ratio
    guard first.norm > 0 else {
      return Finding(
        rule: name, severity: .error, step: rows.step, layers: starved, evidence: evidence,
        message: "No gradient at all arrives at \(first.path): every unit on the way is switched off. Lower "
          + "training.optimizer.learning_rate, or use leaky_relu; what is dead stays dead.")
    }
    var words =
      "Between the loss and \(first.path) the gradient shrinks \(shortened(pow10(flow.lostDecades)))× "
      + "(\(rounded(flow.lostDecades)) decades over \(first.length) layers)."
    if let gates = flow.gateDecades, let weights = flow.weightDecades {
      words += " Activation gates take \(rounded(-gates)) decades, weights \(rounded(-weights))."
    }
    if let ratio { words += " \(first.path) changes \(shortened(ratio)) of its weight a step (healthy: about 1e-3)." }
    words += cure(flow)
    return Finding(
      rule: name, severity: .error, step: rows.step, layers: starved, evidence: evidence, message: words)
  }

  private func cure(_ flow: GradientFlow) -> String {
    guard let gates = flow.gateDecades, let weights = flow.weightDecades else {
      return " Try batch_normalization before the activations, or relu with he_normal initialization."
    }
    return -gates > -weights
      ? " Try relu with he_normal initialization, or tanh with glorot_uniform; clipping and a higher rate do not help."
      : " The weights are too small for the activation: try he_normal (relu) or glorot_uniform (tanh)."
  }
}

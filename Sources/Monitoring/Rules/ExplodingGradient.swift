/// δ grows by decades towards the input, or along time from the last step of a recurrent layer to an earlier one; or a step
/// changes a layer by more than the layer itself.
///
/// Along time tanh layers hold growth down: 2.2 decades over 100 steps were measured where the recurrent weights have
/// σ_w² = 2, and 1 decade at most in recurrent networks that learn.
public struct ExplodingGradient: Rule {
  public let name = "explodingGradient"
  /// Growth of ‖δ‖ from the last layer, or from the last step, to the largest, in decades, that counts as exploding.
  public var decades: Double
  /// ‖ΔW‖ / ‖W‖, of the weights before the update, that counts as exploding.
  public var updateRatio: Double
  /// Steps at the start in which large updates are normal (normalization, adaptive optimizers).
  public var warmUp: Int
  private var growth: Persistence
  private var trend = Trend(patience: 40)
  private var ratio: Persistence
  private var overTime: Persistence

  public init(decades: Double = 3, updateRatio: Double = 1, warmUp: Int = 20, observations: Int = 5) {
    (self.decades, self.updateRatio, self.warmUp) = (decades, updateRatio, warmUp)
    growth = Persistence(needed: observations)
    ratio = Persistence(needed: observations)
    overTime = Persistence(needed: observations)
  }

  public var memory: [String: Int] {
    get {
      growth.memory("growth.").merging(ratio.memory("ratio.")) { first, _ in first }
        .merging(overTime.memory("time.")) { first, _ in first }
        .merging(trend.memory("growth.")) { first, _ in first }
    }
    set {
      growth.recall(newValue, "growth.")
      trend.recall(newValue, "growth.")
      ratio.recall(newValue, "ratio.")
      overTime.recall(newValue, "time.")
    }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard rows.isFinite else { return nil }
    let flow = rows.flow
    let isGrown = flow.peak > 1e-30 && flow.grownDecades >= decades
    let ratios = rows.updateRatios
    let worst = ratios.max { $0.ratio < $1.ratio }
    let isTorn = rows.step > warmUp && (worst?.ratio ?? 0) > updateRatio
    let stays = trend.stays(isGrown, flow.grownDecades, at: rows.step)
    let (opensGrowth, opensRatio) = (growth.opens(isGrown, stays: stays), ratio.opens(isTorn))
    if opensGrowth, let rise = flow.rise {
      var evidence = ["decades": flow.grownDecades, "largestNorm": rise.toNorm, "layers": Double(rise.layers)]
      evidence.merge(rise.evidence()) { first, _ in first }
      return Finding(
        rule: name, severity: .error, step: rows.step, layers: flow.grown(above: decades).map(\.path),
        evidence: evidence,
        message: "Between the loss and \(rise.to) the gradient grows \(shortened(pow10(flow.grownDecades)))× "
          + "(\(rounded(flow.grownDecades)) decades over \(rise.layers) layers).\(rise.givers()) "
          + cure(rise.mostGiving))
    }
    if opensRatio, let worst {
      return Finding(
        rule: name, severity: .error, step: rows.step,
        layers: layers(of: ratios.filter { $0.ratio > updateRatio }), subject: worst.parameter,
        evidence: ["updateRatio": worst.ratio],
        message:
          "A step changes \(worst.parameter) by \(shortened(worst.ratio)) times its own size (healthy: about 1e-3). "
          + "Lower training.optimizer.learning_rate.")
    }
    // What opens along time at the same step opens at the next one.
    return observeTime(rows)
  }

  private func layers(of ratios: [UpdateRatio]) -> [String] {
    ratios.reduce(into: []) { if $0.last != $1.layer { $0.append($1.layer) } }
  }

  /// What helps against who gives most.
  private func cure(_ part: GradientSpan.Part?) -> String {
    switch part {
    case .recurrence:
      "Clip it (training.optimizer.global_clipnorm: 1), and start with smaller recurrent weights: "
        + "recurrent_initializer: orthogonal."
    case .join:
      "Each join adds the gradients of its branches: scale the branches down, or let each begin at zero (a normalization "
        + "at its end whose gamma is 0). Clipping does not cure an initialization."
    case .normalization:
      "What is normalized there is small, and its gradient is divided by it: larger weights before it help, or none of "
        + "the normalizations. Clipping does not cure an initialization."
    case .weights, .gate, .pooling, .dropout, nil:
      "The weights are too large for the activation: try he_normal (relu) or glorot_uniform (tanh). Clipping does not "
        + "cure an initialization."
    }
  }

  private mutating func observeTime(_ rows: ProbeRows) -> Finding? {
    let grown = rows.courses.filter { $0.course.rise.decades >= decades && $0.course.largest > 1e-30 }
    guard overTime.opens(!grown.isEmpty),
      let (probe, course) = grown.max(by: { $0.course.rise.decades < $1.course.rise.decades })
    else { return nil }
    let rise = course.rise
    return Finding(
      rule: name, severity: .error, step: rows.step, layers: grown.map(\.probe.path), evidence: course.evidence(rise),
      message:
        "Along time the gradient of \(probe.path) grows \(shortened(pow10(rise.decades)))× \(course.words(rise)) "
        + "(\(rounded(rise.decades)) decades over \(rise.steps) steps). Clip it (training.optimizer.global_clipnorm: 1), and "
        + "start with smaller recurrent weights: recurrent_initializer: orthogonal.")
  }
}

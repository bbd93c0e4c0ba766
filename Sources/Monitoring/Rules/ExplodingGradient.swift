/// δ grows by decades towards the input, or along time from the last step of a recurrent layer to an earlier one; or a step
/// changes a layer by more than the layer itself.
///
/// Along time tanh layers hold growth down: 2.2 decades over 100 steps were measured where the recurrent weights have
/// σ_w² = 2, and 1 decade at most in recurrent networks that learn.
public struct ExplodingGradient: Rule {
  public let name = "explodingGradient"
  /// Growth of ‖δ‖ from the last layer, or from the last step, to the largest, in decades, that counts as exploding.
  public var decades: Double
  /// ‖ΔW‖ / ‖W‖ that counts as exploding.
  public var updateRatio: Double
  /// Steps at the start in which large updates are normal (normalization, adaptive optimizers).
  public var warmUp: Int
  private var growth: Persistence
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
    }
    set {
      growth.recall(newValue, "growth.")
      ratio.recall(newValue, "ratio.")
      overTime.recall(newValue, "time.")
    }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard rows.isFinite else { return nil }
    let flow = rows.flow
    let isGrown = flow.peak > 1e-30 && flow.grownDecades >= decades
    let ratios = updateRatios(rows)
    let worst = ratios.max { $0.ratio < $1.ratio }
    let isTorn = rows.step > warmUp && (worst?.ratio ?? 0) > updateRatio
    let (opensGrowth, opensRatio) = (growth.opens(isGrown), ratio.opens(isTorn))
    if opensGrowth, let first = flow.firstGrown {
      var (evidence, takers) = (["decades": flow.grownDecades, "largestNorm": flow.peak], "")
      if let gates = flow.gateDecades, let weights = flow.weightDecades {
        (evidence["gateDecades"], evidence["weightDecades"]) = (gates, weights)
        takers = "; weights \(rounded(weights)), gates \(rounded(gates))"
      }
      return Finding(
        rule: name, severity: .error, step: rows.step, layers: flow.grown(above: decades).map(\.path),
        evidence: evidence,
        message: "Between the loss and \(first.path) the gradient grows \(shortened(pow10(flow.grownDecades)))× "
          + "(\(rounded(flow.grownDecades)) decades over \(first.length) layers\(takers)). The weights are too large for "
          + "the activation: try he_normal (relu) or glorot_uniform (tanh). Clipping does not cure an initialization.")
    }
    if opensRatio, let worst {
      return Finding(
        rule: name, severity: .error, step: rows.step,
        layers: ratios.filter { $0.ratio > updateRatio }.map(\.path),
        evidence: ["updateRatio": worst.ratio],
        message: "A step changes \(worst.path) by \(shortened(worst.ratio)) times its own size (healthy: about 1e-3). "
          + "Lower training.optimizer.learning_rate.")
    }
    // What opens along time at the same step opens at the next one.
    return observeTime(rows)
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

  private func updateRatios(_ rows: ProbeRows) -> [(path: String, ratio: Double)] {
    var norms: [String: Double] = [:]
    for (probe, statistics) in rows.rows where probe.kind == .parameter && probe.rank >= 2 {
      norms[probe.path] = statistics.l2
    }
    return rows.rows.compactMap { probe, statistics in
      guard probe.kind == .parameterUpdate, let norm = norms[probe.path], norm > 0 else { return nil }
      return (probe.path, statistics.l2 / norm)
    }
  }
}

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Not even the layer that changes most changes by a millionth of its weights a step: nothing is learnt, because the rate
/// is too small, has decayed to nothing, or the gradient is clipped to nothing.
///
/// ‖ΔW‖ / ‖W‖ of the old weights; some 1e-3 is healthy, and below 1e-6 no network of nine measured ones trained. It looks at
/// the largest ratio of all layers, since single ones may rest. Ends of schedules and networks that have learnt all there
/// is change as little, and rates that warm up begin so: so it speaks only where that has lasted for 90 steps and a quarter of
/// the looks so far, and where the loss is still above a tenth of the first one.
public struct SmallUpdates: Rule {
  public let name = "smallUpdates"
  /// The ratio below which a layer does not change.
  public var updateRatio: Double
  public var observations: Int
  /// Steps that it must have lasted.
  static let lasting = 90
  private var looks = 0
  private var small = 0
  /// The first look at the present row of small ones.
  private var since = 0
  /// log₁₀ of the first loss.
  private var firstLoss: Double?
  private var isOpen = false
  /// log₁₀ of the largest learning rate so far, in thousandths.
  private var largestRate: Int?

  /// `observations` is how many looks in a row must show it.
  public init(updateRatio: Double = 1e-6, observations: Int = 10) {
    (self.updateRatio, self.observations) = (updateRatio, observations)
  }

  public var memory: [String: Int] {
    get {
      var memory = ["looks": looks, "small": small, "since": since, "open": isOpen ? 1 : 0]
      memory["firstLoss"] = firstLoss.map { Int(($0 * 1000).rounded()) }
      memory["rate"] = largestRate
      return memory
    }
    set {
      (looks, small) = (natural(newValue["looks"]), natural(newValue["small"]))
      (since, isOpen) = (natural(newValue["since"]), newValue["open"] == 1)
      firstLoss = kept(thousandths: newValue["firstLoss"]).map { Double($0) / 1000 }
      largestRate = kept(thousandths: newValue["rate"])
    }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    let ratios = rows.updateRatios
    guard rows.isFinite, let most = ratios.max(by: { $0.ratio < $1.ratio }) else { return nil }
    let loss = rows.loss == 0 ? -1000 : log10(abs(rows.loss))
    let first = firstLoss ?? loss
    firstLoss = first
    looks += 1
    let rate = rows.facts.learningRate.map { thousandths($0) }
    if let rate { largestRate = max(largestRate ?? rate, rate) }
    guard most.ratio < updateRatio else {
      (small, isOpen) = (0, false)
      return nil
    }
    if small == 0 { since = rows.step }
    small += 1
    guard !isOpen, small >= observations, rows.step - since >= Self.lasting, 4 * small >= looks, loss > first - 1
    else { return nil }
    isOpen = true
    let isFromTheStart = small == looks
    return Finding(
      rule: name, severity: isFromTheStart ? .error : .warning, step: rows.step, layers: [most.layer],
      subject: most.parameter, cause: cause(rows, most, rate, isFromTheStart),
      evidence: ["updateRatio": most.ratio, "since": Double(since)],
      message: "No layer changes by more than \(shortened(most.ratio)) of its weights a step (healthy: about 1e-3), "
        + (isFromTheStart
          ? "and none has since the first look: raise training.optimizer.learning_rate, or what limits the gradient "
            + "(clipnorm, global_clipnorm, clipvalue)."
          : "since step \(since): the learning rate has decayed to nothing, or the gradient has. Let "
            + "training.optimizer.learning_rate end higher, or end the run there."))
  }

  /// `clipping`, `rate` or `gradient`; nil where the rows do not tell.
  private func cause(_ rows: ProbeRows, _ most: UpdateRatio, _ rate: Int?, _ isFromTheStart: Bool) -> String? {
    if let times = rows.clippedBy, times >= AlwaysClipped().factor { return "clipping" }
    guard let rate, let largestRate else { return nil }
    // Three decades below its largest.
    if !isFromTheStart { return rate <= largestRate - 3000 ? "rate" : "gradient" }
    func norm(_ kind: ProbeKind) -> Double {
      rows.rows.first { $0.probe.kind == kind && $0.probe.path == most.parameter }?.statistics.l2 ?? 0
    }
    // At a rate of 1 it would change the weights by a ten-thousandth.
    return norm(.parameterGradient) >= 1e-4 * norm(.parameter) ? "rate" : "gradient"
  }
}

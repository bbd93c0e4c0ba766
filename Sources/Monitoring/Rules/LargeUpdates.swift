/// Updates change a layer by more than a tenth of its weights, and the loss is worse than at the start: the rate is too large.
///
/// ‖ΔW‖ / ‖W‖ of the old weights; some 1e-3 is healthy, and 0.1 behind the first updates is a warning. Adam at 0.03 and
/// networks with normalizations begin with 0.1 to 0.5 and learn, so the loss is asked too: five times the first one in three of
/// the last 20 looks, or above it in ten of them behind the 20th update. Where weights grow with such updates the ratio falls
/// below 0.1 within some ten of them (Adam at 0.3), and what is left is a network that saturates: so the first branch needs no
/// warm-up.
public struct LargeUpdates: Rule {
  public let name = "largeUpdates"
  /// The ratio from which an update is large.
  public var updateRatio: Double
  /// Times the first loss that count at once.
  public var worse: Double
  static let warmUp = 20
  private var blown = RecentLooks(needed: 3, of: 20)
  private var stuck = RecentLooks(needed: 10, of: 20)
  /// log₁₀ of the first loss in thousandths.
  private var first: Int?

  public init(updateRatio: Double = 0.1, worse: Double = 5) { (self.updateRatio, self.worse) = (updateRatio, worse) }

  public var memory: [String: Int] {
    get {
      var memory = blown.memory("blown.").merging(stuck.memory("stuck.")) { first, _ in first }
      memory["firstLoss"] = first
      return memory
    }
    set {
      blown.recall(newValue, "blown.")
      stuck.recall(newValue, "stuck.")
      first = newValue["firstLoss"].map { min(max($0, -1_000_000), 1_000_000) }
    }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard rows.isFinite, rows.loss > 0, let most = rows.updateRatios.max(by: { $0.ratio < $1.ratio }) else {
      return nil
    }
    let loss = thousandths(rows.loss)
    let begun = first ?? loss
    first = begun
    let isLarge = most.ratio > updateRatio
    let opensBlown = blown.opens(isLarge && loss >= begun + thousandths(worse))
    let opensStuck = stuck.opens(isLarge && rows.step > Self.warmUp && loss >= begun)
    guard opensBlown || opensStuck else { return nil }
    return Finding(
      rule: name, severity: .warning, step: rows.step, layers: [most.layer], subject: most.parameter, cause: "rate",
      evidence: ["updateRatio": most.ratio, "loss": rows.loss, "firstLoss": pow10(Double(begun) / 1000)],
      message:
        "Updates change \(most.parameter) by \(shortened(most.ratio)) of its size (healthy: about 1e-3), and the loss is "
        + "\(shortened(rows.loss)), \(shortened(pow10(Double(begun) / 1000))) at the start. Lower "
        + "training.optimizer.learning_rate"
        + (rows.facts.learningRate.map { ": \(shortened($0 / 10))" } ?? "") + ", or let it warm up.")
  }
}

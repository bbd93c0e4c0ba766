/// Updates change a layer by more than a tenth of its weights, and the loss is worse than at the start: the rate is too large.
///
/// ‖ΔW‖ / ‖W‖ of the old weights; some 1e-3 is healthy, and 0.1 behind the first updates is a warning. Adam at 0.03 and
/// networks with normalizations begin with 0.1 to 0.5 and learn, and the loss of some doubles on the way: so it asks for a loss
/// above the first one in ten of the last 20 looks behind the 20th update. Where weights grow with such updates the ratio falls
/// below 0.1 within some ten of them (Adam at 0.3), and what is left is a network that saturates: so three large updates of the
/// first 20 at a loss of five times the first one count too, where the loss is still above half of that one at the 20th or soon
/// behind it.
public struct LargeUpdates: Rule {
  public let name = "largeUpdates"
  /// The ratio from which an update is large.
  public var updateRatio: Double
  /// Times the first loss that count as blown up.
  public var worse: Double
  static let warmUp = 20
  /// Of the first updates.
  private var blown = 0
  private var isBlown = false
  private var stuck = RecentLooks(needed: 10, of: 20)
  /// log₁₀ of the first loss in thousandths.
  private var first: Int?

  public init(updateRatio: Double = 0.1, worse: Double = 5) { (self.updateRatio, self.worse) = (updateRatio, worse) }

  public var memory: [String: Int] {
    get {
      var memory = stuck.memory("stuck.")
      (memory["blown"], memory["isBlown"], memory["firstLoss"]) = (blown, isBlown ? 1 : 0, first)
      return memory
    }
    set {
      stuck.recall(newValue, "stuck.")
      (blown, isBlown) = (natural(newValue["blown"]), newValue["isBlown"] == 1)
      first = kept(thousandths: newValue["firstLoss"])
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
    if rows.step <= Self.warmUp, isLarge, loss >= begun + thousandths(worse) { blown = natural(blown + 1) }
    let opensBlown =
      !isBlown && blown >= 3 && (Self.warmUp...3 * Self.warmUp).contains(rows.step) && loss >= begun + thousandths(0.5)
    if opensBlown { isBlown = true }
    let opensStuck = stuck.opens(isLarge && rows.step > Self.warmUp && loss >= begun)
    guard opensBlown || opensStuck else { return nil }
    let before = shortened(pow10(Double(begun) / 1000))
    return Finding(
      rule: name, severity: .warning, step: rows.step, layers: [most.layer], subject: most.parameter, cause: "rate",
      evidence: [
        "updateRatio": most.ratio, "loss": rows.loss, "firstLoss": pow10(Double(begun) / 1000),
        "blownUp": Double(blown),
      ],
      message: (opensBlown
        ? "\(blown) of the first updates changed a layer by more than \(shortened(updateRatio)) of its size and took the loss "
          + "to more than \(shortened(worse)) times its first one"
        : "Updates change \(most.parameter) by \(shortened(most.ratio)) of its size (healthy: about 1e-3)")
        + ", and the loss is \(shortened(rows.loss)) now (\(before) at the start). Lower training.optimizer.learning_rate"
        + (rows.facts.learningRate.map { ": \(shortened($0 / 10))" } ?? "") + ", or let it warm up.")
  }
}

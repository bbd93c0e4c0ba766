/// Clipping is at work at nearly every look and by a lot, so that hardly anything is left of the updates.
///
/// Pascanu, Mikolov and Bengio (2013) take half to ten times the mean norm as the limit: at twice its limit a gradient is
/// clipped as it should be. Networks with normalizations begin with norms of 1,000 and end with 5, so the bound is 50; and a
/// rate that was raised to fit, or an optimizer that scales its steps, learns all the same, so the largest ‖ΔW‖ / ‖W‖ must
/// be below 1e-4 besides (healthy: about 1e-3).
public struct AlwaysClipped: Rule {
  public let name = "alwaysClipped"
  /// Times the limit.
  public var factor: Double
  public var updateRatio: Double
  static let warmUp = 100
  private var looks: RecentLooks

  /// `needed` is how many of the last 20 looks must show it.
  public init(factor: Double = 50, updateRatio: Double = 1e-4, needed: Int = 18) {
    (self.factor, self.updateRatio) = (factor, updateRatio)
    looks = RecentLooks(needed: needed, of: 20)
  }

  public var memory: [String: Int] {
    get { looks.memory() }
    set { looks.recall(newValue) }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard rows.isFinite, rows.step > Self.warmUp, let times = rows.clippedBy,
      let most = rows.updateRatios.max(by: { $0.ratio < $1.ratio }),
      looks.opens(times >= factor && most.ratio < updateRatio), let clipping = rows.facts.clipping
    else { return nil }
    let (key, limit) = words(clipping)
    return Finding(
      rule: name, severity: .warning, step: rows.step, layers: [], subject: key, cause: "clipping",
      evidence: ["times": times, "limit": limit, "updateRatio": most.ratio],
      message: "The gradient is \(shortened(times)) times as large as \(key): \(shortened(limit)) lets through, in "
        + "\(looks.needed) of the last 20 looks, and no layer changes by more than \(shortened(most.ratio)) of its weights a "
        + "step (healthy: about 1e-3). Set training.optimizer.\(key): \(shortened(limit * times)), or leave it out.")
  }

  private func words(_ clipping: StepFacts.Clipping) -> (key: String, limit: Double) {
    switch clipping {
    case .value(let limit): ("clipvalue", limit)
    case .norm(let limit): ("clipnorm", limit)
    case .globalNorm(let limit): ("global_clipnorm", limit)
    }
  }
}

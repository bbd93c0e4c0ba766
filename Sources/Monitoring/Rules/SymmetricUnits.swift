/// All units of a layer are the same and stay so: they began with the same weights, get the same gradient, and count as one.
///
/// Looked at behind the third to fifth update: by then whatever tells units apart (weights that were drawn, a layer behind
/// them whose weights were) has shown in the update. ‖W − W̄‖, with W̄ the mean over the units, is then no larger than the
/// rounding of ‖ΔW‖. Kernels that nothing moves are not meant, nor output layers, whose units have targets of their own.
/// (Glorot and Bengio 2010, §1: weights are drawn to break the symmetry.)
public struct SymmetricUnits: Rule {
  public let name = "symmetricUnits"
  /// ‖W − W̄‖ / ‖ΔW‖ up to which units are the same.
  public var spread: Double
  private var persistence: Persistence

  /// `observations` is how many looks in a row must show it.
  public init(spread: Double = 0.01, observations: Int = 2) {
    self.spread = spread
    persistence = Persistence(needed: observations)
  }

  public var memory: [String: Int] {
    get { persistence.memory() }
    set { persistence.recall(newValue) }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard rows.isFinite, !rows.facts.spreads.isEmpty else { return nil }
    var updates: [String: Double] = [:]
    for (probe, statistics) in rows.rows where probe.kind == .parameterUpdate { updates[probe.path] = statistics.l2 }
    let same = rows.facts.spreads.filter {
      let update = updates[$0.parameter] ?? 0
      return $0.units > 1 && update > 1e-30 && $0.spread <= spread * update
    }
    guard persistence.opens(!same.isEmpty), let first = same.first else { return nil }
    return Finding(
      rule: name, severity: .warning, step: rows.step, layers: same.map { layerPath($0.parameter) },
      subject: first.parameter, cause: "sameWeights", evidence: ["units": Double(first.units), "spread": first.spread],
      message:
        "The \(first.units) units of \(layerPath(first.parameter)) have the same weights and get the same updates: they "
        + "count as one. Draw them: kernel_initializer: glorot_uniform, or he_normal for relu, there and in the layer behind."
    )
  }
}

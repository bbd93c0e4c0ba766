/// How many units of a layer answered all samples of a batch where their activation has a slope of 0: none of them learns
/// anything from that batch.
///
/// The bias of such a unit has a gradient of exactly 0, and of no other, so no activation need be read. Of layers that have a
/// bias and whose activation is their own; recurrent ones are none of them.
public struct RestingUnits: Hashable, Sendable {
  public var layer: String
  /// Of its activation: `relu`; nil where nobody said it.
  public var function: String?
  public var count: Int
  /// Of its units, or channels.
  public var share: Double
}

extension ProbeRows {
  /// In the order of the layers; none where no gradient arrives before the activation.
  public var restingUnits: [RestingUnits] {
    let recurrent = Set(courses.map(\.probe.path))
    var gates: [String: Probe] = [:]
    for (probe, statistics) in rows where probe.kind == .deltaBeforeGate && statistics.l2 > 0 {
      gates[probe.path] = probe
    }
    return rows.compactMap { probe, statistics in
      let layer = layerPath(probe.path)
      guard probe.kind == .parameterGradient, probe.path == layer + "/bias", probe.rank == 1, statistics.count > 0,
        !recurrent.contains(layer), let gate = gates[layer]
      else { return nil }
      return RestingUnits(
        layer: layer, function: gate.function, count: Int(statistics.count),
        share: statistics.zeros / statistics.count)
    }
  }
}

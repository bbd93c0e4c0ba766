/// A loss or gradient that is infinite or not a number. The update was held back; who replays the step fills in the
/// operation that made the first such value, and says what the weights are.
public struct NonFinite: Rule {
  public static let name = "nonFinite"
  public var name: String { Self.name }
  private var isOpen = false

  public init() {}

  public var memory: [String: Int] {
    get { ["open": isOpen ? 1 : 0] }
    set { isOpen = newValue["open"] == 1 }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    let isBad = !rows.isFinite
    defer { isOpen = isBad }
    guard isBad, !isOpen else { return nil }
    let bad = rows.rows.filter { !$0.statistics.isFinite }
    var layers: [String] = []
    for row in bad where !layers.contains(layerPath(row.probe.path)) { layers.append(layerPath(row.probe.path)) }
    return Finding(
      rule: name, severity: .error, step: rows.step, layers: layers,
      evidence: [
        "loss": rows.loss, "nans": bad.reduce(0) { $0 + $1.statistics.nans },
        "infinities": bad.reduce(0) { $0 + $1.statistics.infinities },
      ],
      message: "The loss or a gradient is infinite or not a number. The step was not applied.")
  }

  private func layerPath(_ path: String) -> String { String(path.split(separator: "/").first ?? "") }
}

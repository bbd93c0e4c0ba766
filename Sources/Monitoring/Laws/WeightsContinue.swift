/// A step starts with the states that the step before left: nobody initializes them twice or writes them between.
public struct WeightsContinue: Law {
  public let name = "weightsContinue"
  public init() {}

  public func breaches(in writes: StateWrites) -> [Finding] {
    let again = !writes.initialized.isEmpty
    guard let first = again ? writes.initialized.first : writes.written.first else { return [] }
    var layers: [String] = []
    for weight in again ? writes.initialized : writes.written where !layers.contains(weight.layer) {
      layers.append(weight.layer)
    }
    return [
      breach(
        // Whoever writes weights in a callback may want to.
        again ? .error : .warning, step: writes.step, layers: layers, subject: first.name,
        cause: again ? "initializedAgain" : "written",
        evidence: ["written": Double(writes.written.count), "initialized": Double(writes.initialized.count)],
        again
          ? "Behind step \(writes.step) \(first.name) has its first values again, and \(writes.initialized.count) states "
            + "in all: weights are initialized twice, and what was learnt is lost."
          : "\(first.name) was written behind step \(writes.step), though no step did it; \(writes.written.count) states in "
            + "all.")
    ]
  }
}

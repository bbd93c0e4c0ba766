/// Nearly all units of a layer rest, batch by batch: relu is switched off for every sample, or tanh is saturated by each.
///
/// Resting for one batch is healthy. In deep networks of relu samples come to resemble each other, so that half of a layer's
/// units rest at the start, and up to 0.7 of narrow layers, which is where AUTOTRAINER (Zhang et al., 2021) calls relu dying.
/// Where nothing at all arrives at the first layer `VanishingGradient` says so.
public struct DeadUnits: Rule {
  public let name = "deadUnits"
  /// Of a layer's units, from which it counts as dead.
  public var share: Double
  private let observations: Int
  private var persistence: Persistence

  public init(share: Double = 0.9, observations: Int = 10) {
    (self.share, self.observations) = (share, observations)
    persistence = Persistence(needed: observations)
  }

  public var memory: [String: Int] {
    get { persistence.memory() }
    set { persistence.recall(newValue) }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard rows.isFinite, (rows.flow.first?.norm ?? 0) > 0 else { return nil }
    let dead = rows.restingUnits.filter { $0.share >= share }
    guard persistence.opens(!dead.isEmpty), let worst = dead.max(by: { $0.share < $1.share }) else { return nil }
    let isOff = worst.function == "relu"
    let resting = Int((worst.share * Double(worst.count)).rounded())
    return Finding(
      rule: name, severity: .warning, step: rows.step, layers: dead.map(\.layer), subject: worst.layer,
      cause: isOff ? "off" : "saturated", evidence: ["share": worst.share, "units": Double(worst.count)],
      message:
        "\(resting) of the \(worst.count) units of \(worst.layer) are \(isOff ? "switched off" : "saturated") for every "
        + "sample, in \(observations) looks in a row: they learn nothing. "
        + (isOff
          ? "Try leaky_relu, he_normal with biases that begin at 0, or a lower training.optimizer.learning_rate."
          : "Scale the inputs to around 0, and start with smaller weights: kernel_initializer: glorot_uniform. A lower "
            + "training.optimizer.learning_rate keeps them from growing."))
  }
}

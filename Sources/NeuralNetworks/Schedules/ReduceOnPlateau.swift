/// Lowers the learning rate when a watched number, such as the validation loss, no longer falls (Keras's
/// `ReduceLROnPlateau`, except that a cooldown of n leaves out n observations: Keras judges the n-th). It remembers, so
/// it is a value that the loop keeps and a checkpoint stores.
public struct ReduceOnPlateau: Hashable, Codable, Sendable {
  /// What the rate is multiplied with each time.
  public var factor: Double
  /// How many observations without improvement are borne.
  public var patience: Int
  /// By how much the number must fall to count.
  public var minimumDelta: Double
  /// How many observations after a reduction are not judged.
  public var cooldown: Int
  /// The rate is never reduced below this.
  public var minimumLearningRate: Double
  /// Whether the number should rise, as an accuracy does.
  public var isMaximized: Bool

  /// The product of all reductions so far.
  public private(set) var scale = 1.0
  private var best: Double?
  private var waited = 0
  private var cooling = 0

  public init(
    factor: Double = 0.1, patience: Int = 10, minimumDelta: Double = 1e-4, cooldown: Int = 0,
    minimumLearningRate: Double = 0, isMaximized: Bool = false
  ) {
    self.factor = factor
    self.patience = patience
    self.minimumDelta = minimumDelta
    self.cooldown = cooldown
    self.minimumLearningRate = minimumLearningRate
    self.isMaximized = isMaximized
  }

  /// Takes the next value of the watched number, of one validation; answers whether the rate was reduced. Where the
  /// schedule now says `scheduled` and the minimum does not let that fall, it is not (as in Keras).
  @discardableResult
  public mutating func observe(_ number: Double, scheduled: Double? = nil) -> Bool {
    let isCooling = cooling > 0
    if isCooling {
      cooling -= 1
      waited = 0
    }
    let value = isMaximized ? -number : number
    if best.map({ value < $0 - minimumDelta }) ?? !value.isNaN {
      best = value
      waited = 0
      return false
    }
    guard !isCooling else { return false }
    waited += 1
    guard waited >= patience else { return false }
    var reduced = self
    reduced.scale *= factor
    if let scheduled, reduced.learningRate(scheduled) >= learningRate(scheduled) { return false }
    scale = reduced.scale
    cooling = cooldown
    waited = 0
    return true
  }

  /// These settings with what an earlier one observed and reduced so far: how a run goes on with other settings. Where it
  /// observed another number, its best is none.
  public func continuing(_ earlier: ReduceOnPlateau, isSameNumber: Bool = true) -> ReduceOnPlateau {
    var next = self
    (next.scale, next.waited, next.cooling) = (earlier.scale, earlier.waited, min(earlier.cooling, cooldown))
    // It is kept with the sign that it was compared with.
    next.best = isMaximized == earlier.isMaximized ? earlier.best : earlier.best.map { -$0 }
    if !isSameNumber { next.best = nil }
    return next
  }

  /// The rate to use where the schedule says `scheduled`.
  public func learningRate(_ scheduled: Double) -> Double {
    max(scheduled * scale, min(scheduled, minimumLearningRate))
  }
}

extension ReduceOnPlateau: Configurable {
  package static let settings = Settings<ReduceOnPlateau>(
    "reduce_on_plateau", of: ReduceOnPlateau(),
    help: "Lowers the learning rate when a watched number no longer falls",
    keys: [
      .number("factor", \.factor, in: .kept, help: "What the rate is multiplied with each time"),
      .integer("patience", \.patience, in: .positive, help: "How many validations without improvement are borne"),
      .number("min_delta", \.minimumDelta, help: "By how much the number must fall to count"),
      .integer("cooldown", \.cooldown, in: 0...Int.max, help: "How many validations after a reduction are not judged"),
      .number(
        "min_learning_rate", \.minimumLearningRate, in: .learningRate, help: "The rate is never reduced below this"),
    ])
}

/// A class that the evaluation has many samples of is no sample's answer, in a network that tells the others apart.
///
/// Networks that have learnt little leave classes out, so the rest must be right to 0.9, or to 0.7 in two evaluations in a
/// row. Classes with a twentieth of the samples of the most frequent one are `ClassImbalance`'s.
public struct NeverPredicted: Rule {
  public let name = "neverPredicted"
  /// Evaluated samples of the class.
  public var samples: Int
  /// The share of all other samples that is right: at once, and twice in a row.
  public var surely: Double
  public var probably: Double
  /// Evaluations in a row that showed it.
  private var streak = 0
  private var isOpen = false

  public init(samples: Int = 20, surely: Double = 0.9, probably: Double = 0.7) {
    (self.samples, self.surely, self.probably) = (samples, surely, probably)
  }

  public var memory: [String: Int] {
    get { ["streak": streak, "open": isOpen ? 1 : 0] }
    set { (streak, isOpen) = (natural(newValue["streak"]), newValue["open"] == 1) }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? { nil }

  public mutating func observe(_ evaluation: EvaluationFacts) -> Finding? {
    guard evaluation.outputs.count == 1, evaluation.step >= 100 else { return nil }
    let classes = evaluation.outputs[0].classes
    let most = classes.map(\.samples).max() ?? 0
    let never = classes.filter { $0.predicted == 0 && $0.samples >= samples && 20 * $0.samples >= most }
    let others = classes.filter { $0.predicted > 0 }
    let rest = others.reduce(0) { $0 + $1.samples }
    let share = Double(others.reduce(0) { $0 + $1.right }) / Double(max(rest, 1))
    let isTold = !never.isEmpty && others.count > 1 && share >= probably
    streak = isTold ? streak + 1 : 0
    if never.isEmpty { isOpen = false }
    guard isTold, !isOpen, share >= surely || streak >= 2, let worst = never.max(by: { $0.samples < $1.samples })
    else { return nil }
    isOpen = true
    return Finding(
      rule: name, severity: .warning, step: evaluation.step, layers: [], subject: worst.name, cause: "neverPredicted",
      evidence: ["samples": Double(worst.samples), "classes": Double(never.count), "accuracyOfOthers": share],
      message: "\(worst.name) is no sample's answer, though \(worst.samples) evaluated samples are of it and "
        + "\(Int((share * 100).rounded())) % of the others are right. See whether training has samples of it with their own "
        + "label, and whether the last layer has an output for it (units).")
  }
}

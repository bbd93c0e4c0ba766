/// Tanh or sigmoid lie where they are flat: next to nothing of the gradient passes, for nearly all units and samples.
///
/// A gate passes ‖φ′ ⊙ e‖ / ‖e‖ of the gradient e before it, at most φ′(0): 1 of tanh, ¼ of sigmoid. Were each unit either
/// flat or at its steepest, the share 1 − (that / φ′(0))² were flat. Layers of tanh begin at 0.2 to 0.4 on MNIST, of sigmoid
/// at 0.1; weights drawn with a deviation of 1 for 784 inputs give 0.93, inputs up to 255 give 0.99. A network that has
/// learnt says so with certainty: two layers of tanh had 0.93 behind 1,800 updates of Adam at 0.01, with 95 % right. So what
/// was not flat at the first look must be so to 0.98 (`later`), at a loss above half of the first. (Debugger's
/// SaturatedActivation and DeepDiagnosis count units beyond a bound and take a half of them.) Only layers that another one
/// reads are looked at: outputs that have learnt to say 0 or 1 are saturated as they should be. Recurrent layers are not.
/// A run that begins with loaded weights has learnt before: what is flat at its first look is taken as it is, until no layer is.
public struct Saturation: Rule {
  public let name = "saturation"
  /// That counts as saturated.
  public var share: Double
  /// The same of what was not at the first look.
  public var later: Double
  /// Steps that it must have lasted.
  static let lasting = 90
  private var persistence: Persistence
  /// The first of the looks in a row; 0 where there is none. Whether the first look of all showed it.
  private var since = 0
  private var looks = 0
  private var isFromTheStart = false
  private var hasLargeInputs = false
  /// Whether loaded weights were flat from the first look on, and still are.
  private var isGiven = false
  /// log₁₀ of the first loss in thousandths.
  private var firstLoss: Int?

  /// `observations` is how many looks in a row must show it.
  public init(share: Double = 0.9, later: Double = 0.98, observations: Int = 10) {
    (self.share, self.later) = (share, later)
    persistence = Persistence(needed: observations)
  }

  public var memory: [String: Int] {
    get {
      var memory = persistence.memory()
      (memory["since"], memory["looks"], memory["firstLoss"]) = (since, looks, firstLoss)
      (memory["fromTheStart"], memory["largeInputs"]) = (isFromTheStart ? 1 : 0, hasLargeInputs ? 1 : 0)
      memory["given"] = isGiven ? 1 : 0
      return memory
    }
    set {
      persistence.recall(newValue)
      (since, looks) = (natural(newValue["since"]), natural(newValue["looks"]))
      (isFromTheStart, hasLargeInputs) = (newValue["fromTheStart"] == 1, newValue["largeInputs"] == 1)
      firstLoss = kept(thousandths: newValue["firstLoss"])
      isGiven = newValue["given"] == 1
    }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard rows.isFinite, !rows.rows.isEmpty else { return nil }
    let largest = InputScale().largestRMS
    if rows.facts.inputs.contains(where: { $0.rms > largest }) { hasLargeInputs = true }
    looks += 1
    let loss = thousandths(abs(rows.loss))
    let begun = firstLoss ?? loss
    firstLoss = begun
    let isBegun = looks == 1 || isFromTheStart
    let hasLearnt = !isBegun && loss < begun + thousandths(0.5)
    let flat = hasLearnt ? [] : rows.gateShares.filter { $0.saturated >= (isBegun || isGiven ? share : later) }
    if looks == 1, rows.facts.beganTrained { isGiven = true }
    if flat.isEmpty { isGiven = false }
    guard !isGiven else { return nil }
    if flat.isEmpty {
      (since, isFromTheStart) = (0, false)
    } else if since == 0 {
      (since, isFromTheStart) = (max(rows.step, 1), looks == 1)
    }
    guard persistence.opens(!flat.isEmpty, stays: rows.step - since >= Self.lasting),
      let worst = flat.max(by: { $0.saturated < $1.saturated })
    else { return nil }
    let cause = hasLargeInputs && flat.contains(where: \.isFirst) ? "inputs" : isFromTheStart ? "weights" : "updates"
    return Finding(
      rule: name, severity: .warning, step: rows.step, layers: flat.map(\.layer), subject: worst.layer, cause: cause,
      evidence: ["share": worst.saturated, "passed": worst.passed, "since": Double(since)],
      message:
        "\(Int((worst.saturated * 100).rounded(.down))) % of \(worst.layer) is saturated since step \(since): its "
        + "\(worst.function) passes \(shortened(worst.passed)) of the gradient. " + advice(cause, worst.function))
  }

  private func advice(_ cause: String, _ function: String) -> String {
    switch cause {
    case "inputs":
      "What the first layer reads is far above 1: scale it ({rescaling: {scale: 0.0039}} first in model.layers for pictures "
        + "from 0 to 255, data.normalize: true for tables)."
    case "weights":
      "It began so: start with smaller weights (kernel_initializer: glorot_uniform), or put batch_normalization before the "
        + "activation."
    default:
      "Updates made it so: lower training.optimizer.learning_rate, or put batch_normalization before the activation."
    }
  }
}

/// How much of the gradient an activation with two flat ends passes.
struct GateShare: Hashable, Sendable {
  var layer: String
  var function: String
  /// ‖δ‖ after the gate over that before it.
  var passed: Double
  var saturated: Double
  /// Whether it reads no other gate.
  var isFirst: Bool
}

extension ProbeRows {
  /// Of layers of tanh and sigmoid that another layer reads, in the order of the layers.
  var gateShares: [GateShare] {
    let recurrent = Set(courses.map(\.probe.path))
    var (before, isRead): ([Int: Double], Set<Int>) = ([:], [])
    for (probe, statistics) in rows {
      isRead.formUnion(probe.sources)
      if probe.kind == .deltaBeforeGate, let gate = probe.gate { before[gate] = statistics.l2 }
    }
    return rows.compactMap { probe, statistics in
      let slopes = ["tanh": 1.0, "sigmoid": 0.25]
      guard probe.kind == .deltaAfterGate, let gate = probe.gate, isRead.contains(gate),
        !recurrent.contains(probe.path),
        let function = probe.function, let slope = slopes[function], let norm = before[gate], norm > 1e-30
      else { return nil }
      let part = min(statistics.l2 / norm / slope, 1)
      return GateShare(
        layer: probe.path, function: function, passed: statistics.l2 / norm, saturated: 1 - part * part,
        isFirst: probe.sources.isEmpty)
    }
  }
}

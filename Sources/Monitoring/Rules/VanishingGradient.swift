#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// δ shrinks towards the input, and the first layers learn next to nothing; or it shrinks along time, and a recurrent layer
/// learns next to nothing of what lies far back.
///
/// Judged by D = log₁₀(max ‖δ‖ / ‖δ₁‖). D ≥ 3 separated the dead from the trainable networks in nine measured cases;
/// the ratio of parameter gradients did not (a 30-layer Xavier relu network is dead with a ratio of 5.6).
///
/// Along time it is judged by how far ‖δ_t‖ falls from step to step (`TimeCourse`), on two conditions. In all it falls by
/// `timeDecades`: the kernels' gradients are sums over the steps, and of terms 2⁻²⁴ (7.2 decades) below the largest one
/// Float32 keeps nothing. And by `decadesPerStep`, whatever the length. A tanh layer whose recurrent weights have σ_w² = ½
/// loses √½ a step, 0.15 decades (Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks*,
/// 2013, §2.2). Measured with 64 units over 100 steps of the adding problem: 12.6 to 16.4 decades before the first update
/// and 9 to 16 in the next 750; with orthogonal weights 0.7 to 2 at first, and 7 to 10 behind the 100th update of Adam
/// at rates of 0.0002 and 0.001. (At 0.005 its first updates saturate tanh: 15 to 19 decades are lost then, and named.)
///
/// Layers with gates lose as much before they have opened them, and then learn: an LSTM kept losing 0.09 a step for 700
/// updates; a GRU lost 0.20 at first, 0.09 after 50 updates, 0.02 after 250 and nothing when it had learnt. A forget gate at
/// the bias of 1 that an LSTM begins with takes −log₁₀ σ(1) = 0.14 a step by itself; that is why the bound of such layers is
/// another (`gatedDecadesPerStep`), and why the first `warmUp` steps count for nobody. An LSTM without that bias loses more
/// than 0.3 and is named.
public struct VanishingGradient: Rule {
  public let name = "vanishingGradient"
  /// D from which a layer counts as starved.
  public var decades: Double
  /// By how much ‖δ_t‖ falls along time, in all and a step, where a recurrent layer forgets; another bound a step is of
  /// layers with gates.
  public var timeDecades: Double
  public var decadesPerStep: Double
  public var gatedDecadesPerStep: Double
  /// Steps at the start that nothing is said of along time.
  public var warmUp: Int
  private var persistence: Persistence
  private var trend = Trend(patience: 90)
  private var overTime: Persistence
  /// The last look at which something arrived at the first layer; 0 where none did.
  private var lastArrival = 0
  /// ‖ΔW‖ / ‖W‖ of the first layer below which it does not leave where it is within the first updates.
  private static let movingRatio = 1e-5
  /// Of Float32, above 0.
  private static let smallest = 0x1p-149

  /// `observations` is how many steps in a row must show it, `timeObservations` the same along time.
  public init(
    decades: Double = 3, observations: Int = 10, timeDecades: Double = 7, decadesPerStep: Double = 0.12,
    gatedDecadesPerStep: Double = 0.2, warmUp: Int = 100, timeObservations: Int = 5
  ) {
    (self.decades, self.timeDecades, self.decadesPerStep) = (decades, timeDecades, decadesPerStep)
    (self.gatedDecadesPerStep, self.warmUp) = (gatedDecadesPerStep, warmUp)
    persistence = Persistence(needed: observations)
    overTime = Persistence(needed: timeObservations)
  }

  /// Memories of before this rule looked along time have no key of that.
  public var memory: [String: Int] {
    get {
      persistence.memory().merging(overTime.memory("time.")) { first, _ in first }
        .merging(trend.memory()) { first, _ in first }.merging(["arrived": lastArrival]) { first, _ in first }
    }
    set {
      lastArrival = natural(newValue["arrived"])
      persistence.recall(newValue)
      trend.recall(newValue)
      overTime.recall(newValue, "time.")
    }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard rows.isFinite else { return nil }
    // What opens along time at the same step opens at the next one.
    return observeDepth(rows) ?? observeTime(rows)
  }

  /// The layers that forget, and the worst of them.
  private mutating func observeTime(_ rows: ProbeRows) -> Finding? {
    let forgetful = rows.courses.filter { probe, course in
      let fall = course.fall
      return fall.decades >= timeDecades
        && fall.decadesPerStep >= (probe.isGated ? gatedDecadesPerStep : decadesPerStep)
    }
    guard overTime.opens(rows.step > warmUp && !forgetful.isEmpty),
      let (probe, course) = forgetful.max(by: { $0.course.fall.decades < $1.course.fall.decades })
    else { return nil }
    let fall = course.fall
    var evidence = course.evidence(fall)
    var words =
      "Along time the gradient of \(probe.path) shrinks \(shortened(pow10(fall.decades)))× "
      + "\(course.words(fall)) (\(rounded(fall.decades)) decades over \(fall.steps) steps)."
    if let reach = course.reach(of: timeDecades, from: fall.from) {
      evidence["reach"] = Double(reach)
      words += " What lies \(reach) steps back or more moves no weight."
    }
    words +=
      probe.isGated
      ? " Try forget gates that are open at first (unit_forget_bias: true, or a larger bias), recurrent_initializer: "
        + "orthogonal, or shorter sequences; clipping does not help."
      : " Try gates (lstm, gru), recurrent_initializer: orthogonal, and a lower training.optimizer.learning_rate where it "
        + "is that already; clipping does not help."
    return Finding(
      rule: name, severity: .error, step: rows.step, layers: forgetful.map(\.probe.path), evidence: evidence,
      message: words)
  }

  private mutating func observeDepth(_ rows: ProbeRows) -> Finding? {
    let flow = rows.flow
    if let first = flow.first, first.norm > 0 { lastArrival = rows.step }
    // A loss that reached zero leaves no gradient to compare.
    let isBad = flow.largest > 1e-30 && flow.lostDecades >= decades
    let ratios = rows.updateRatios
    let ratio = ratios.filter { $0.layer == flow.first?.path }.map(\.ratio).max()
    // An activation may be a layer of its own, without weights.
    let moved = ratio ?? ratios.map(\.ratio).min() ?? 0
    // Momentum moves for a while what nothing reaches any more.
    let isMoving = (flow.first?.norm ?? 0) > 0 && moved >= Self.movingRatio
    let stays = trend.stays(isBad, flow.lostDecades, at: rows.step, isMoving: isMoving)
    guard persistence.opens(isBad, stays: stays), let first = flow.first else { return nil }
    let starved = flow.starved(below: decades).map(\.path)
    var evidence = ["decades": flow.lostDecades, "firstNorm": first.norm, "largestNorm": flow.largest]
    evidence["updateRatio"] = ratio
    if let fall = flow.fall {
      evidence["layers"] = Double(fall.layers)
      evidence.merge(fall.evidence()) { first, _ in first }
    }
    guard first.norm > 0 else {
      (evidence["decades"], evidence["noGradient"]) = (log10(flow.largest / Self.smallest), 1)
      if lastArrival > 0 { evidence["lastArrival"] = Double(lastArrival) }
      var finding = Finding(
        rule: name, severity: .error, step: rows.step, layers: [first.path] + starved.filter { $0 != first.path },
        subject: flow.fall?.stop?.path ?? first.path, evidence: evidence, message: "")
      finding.explain(reason(flow.fall, rows))
      return finding
    }
    let start = flow.fallsFromTheEnd ? "the loss" : "\(flow.fall?.from ?? "the loss"), where it is largest,"
    var words =
      "Between \(start) and \(first.path) the gradient shrinks \(shortened(pow10(flow.lostDecades)))× "
      + "(\(rounded(flow.lostDecades)) decades over \(flow.fall?.layers ?? 1) layers)."
    words += flow.fall?.takers() ?? ""
    if let ratio { words += " \(first.path) changes \(shortened(ratio)) of its weight a step (healthy: about 1e-3)." }
    words += " " + cure(flow.fall?.mostTaking)
    return Finding(
      rule: name, severity: .error, step: rows.step, layers: starved, evidence: evidence, message: words)
  }

  /// Why nothing arrives, as far as the rows say it; the session that was watched knows more.
  private func reason(_ fall: GradientSpan?, _ rows: ProbeRows) -> NoGradientCause {
    guard let fall, let stop = fall.stop else { return .unknown }
    if fall.droppedShare >= 0.9 || stop.part == .dropout { return .dropout(fall.droppedShare) }
    if stop.part == .weights {
      let weights = rows.rows.filter {
        $0.probe.kind == .parameter && $0.probe.rank >= 2 && layerPath($0.probe.path) == stop.path
      }
      return !weights.isEmpty && weights.allSatisfy { $0.statistics.l2 == 0 } ? .zeroWeights : .underflow
    }
    guard stop.part == .gate else { return .unknown }
    return lastArrival > 0 ? .killed(since: rows.step) : .unknown
  }

  /// What helps against who takes most.
  private func cure(_ part: GradientSpan.Part?) -> String {
    switch part {
    case .weights:
      "The weights are too small for the activation: try he_normal (relu) or glorot_uniform (tanh)."
    case .gate:
      "Try relu with he_normal initialization, or tanh with glorot_uniform; clipping and a higher rate do not help."
    case .recurrence:
      "Try gates (lstm, gru), recurrent_initializer: orthogonal, or shorter sequences; clipping does not help."
    case .pooling:
      "A mean over n cells hands each of them 1/n: try max pooling, or smaller windows, and strides in convolutions."
    case .normalization:
      "What is normalized there is large, and its gradient is divided by it: smaller weights before it help."
    case .dropout: "Lower the rate of dropout."
    case .join, nil: "Try batch_normalization before the activations, or relu with he_normal initialization."
    }
  }
}

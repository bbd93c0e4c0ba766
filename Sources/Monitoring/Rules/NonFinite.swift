#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A loss or gradient that is infinite or not a number. The update was held back; who replays the step says what made the
/// first such value (`NonFiniteCause`).
///
/// A few bad samples come back in every epoch, so it speaks again only after `calm` steps without such a step, and each time
/// it does, that becomes twice as many; or where `lasting` such steps follow each other behind one that stood alone: then
/// the run is broken, whatever broke that one.
public struct NonFinite: Rule {
  public static let name = "nonFinite"
  public var name: String { Self.name }
  /// Steps without a bad one after which it is over.
  public var calm: Int
  /// Bad steps in a row that are another matter than one.
  public var lasting: Int
  private var isOpen = false
  /// The last bad step, the first of those in a row with it, and the one that opened it.
  private var last = 0
  private var first = 0
  private var opened = 0
  /// Bad steps in all, and how often it spoke.
  private var count = 0
  private var findings = 0
  private var before: Before?

  /// What was seen at the last look at a good step.
  private struct Before {
    var step: Int
    /// Growth of δ from the end of the network, in decades, and at the first look of all.
    var grown: Double
    var firstGrown: Double
    /// log₁₀ of the largest update ratio, of the loss, and of the first loss of all.
    var ratio: Double
    var loss: Double
    var firstLoss: Double
  }

  public init(calm: Int = 100, lasting: Int = 5) { (self.calm, self.lasting) = (calm, lasting) }

  /// Logarithms in thousandths.
  public var memory: [String: Int] {
    get {
      var memory = [
        "open": isOpen ? 1 : 0, "last": last, "first": first, "opened": opened, "count": count, "findings": findings,
      ]
      guard let before else { return memory }
      func thousandths(_ value: Double) -> Int { Int((min(max(value, -1e6), 1e6) * 1000).rounded()) }
      memory["seen"] = before.step
      (memory["grown"], memory["ratio"]) = (thousandths(before.grown), thousandths(before.ratio))
      memory["firstGrown"] = thousandths(before.firstGrown)
      (memory["loss"], memory["firstLoss"]) = (thousandths(before.loss), thousandths(before.firstLoss))
      return memory
    }
    set {
      func number(_ key: String) -> Int { min(max(newValue[key] ?? 0, -1 << 32), 1 << 32) }
      func natural(_ key: String) -> Int { max(number(key), 0) }
      isOpen = newValue["open"] == 1
      (last, first, opened) = (natural("last"), natural("first"), natural("opened"))
      (count, findings) = (natural("count"), natural("findings"))
      func decades(_ key: String) -> Double { Double(number(key)) / 1000 }
      before = newValue["seen"].map { _ in
        Before(
          step: natural("seen"), grown: decades("grown"),
          firstGrown: decades(newValue["firstGrown"] == nil ? "grown" : "firstGrown"), ratio: decades("ratio"),
          loss: decades("loss"), firstLoss: decades("firstLoss"))
      }
    }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard !rows.isFinite else {
      look(at: rows)
      return nil
    }
    // Twice as long each time, and no longer than any run.
    let wait = calm << min(max(findings - 1, 0), 20)
    if isOpen, rows.step - last > wait { isOpen = false }
    if last == 0 || rows.step - last > 1 { first = rows.step }
    (last, count) = (rows.step, count + 1)
    let isLasting = isOpen && opened < first && rows.step - first + 1 == lasting
    guard !isOpen || isLasting else { return nil }
    (isOpen, opened, findings) = (true, rows.step, findings + 1)
    return finding(rows)
  }

  private mutating func look(at rows: ProbeRows) {
    guard !rows.rows.isEmpty else { return }
    func decades(_ value: Double) -> Double { value > 0 ? log10(value) : -1000 }
    let loss = decades(abs(rows.loss))
    before = Before(
      step: rows.step, grown: rows.flow.grownDecades, firstGrown: before?.firstGrown ?? rows.flow.grownDecades,
      ratio: decades(rows.updateRatios.map(\.ratio).max() ?? 0),
      loss: loss, firstLoss: before?.firstLoss ?? loss)
  }

  private func finding(_ rows: ProbeRows) -> Finding {
    let bad = rows.rows.filter { !$0.statistics.isFinite }
    var layers: [String] = []
    for row in bad where !layers.contains(layerPath(row.probe.path)) { layers.append(layerPath(row.probe.path)) }
    var evidence = [
      "loss": rows.loss, "nans": bad.reduce(0) { $0 + $1.statistics.nans },
      "infinities": bad.reduce(0) { $0 + $1.statistics.infinities }, "badSteps": Double(count),
      "inARow": Double(rows.step - first + 1),
    ]
    if let before {
      (evidence["stepBefore"], evidence["grownDecadesBefore"]) = (Double(before.step), before.grown)
      evidence["grownDecadesFirst"] = before.firstGrown
      evidence["updateRatioBefore"] = pow10(before.ratio)
      (evidence["lossBefore"], evidence["firstLoss"]) = (pow10(before.loss), pow10(before.firstLoss))
    }
    let row = rows.step - first + 1
    return Finding(
      rule: name, severity: .error, step: rows.step, layers: layers, evidence: evidence,
      message:
        "The loss or a gradient is infinite or not a number\(row > 1 ? " for \(row) steps in a row" : ""). The step "
        + "was not applied.")
  }
}

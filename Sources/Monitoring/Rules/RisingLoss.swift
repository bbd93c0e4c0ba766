/// The loss goes up and stays there, or single batches have a loss of another order.
///
/// Judged by the median of the last nine looks, which no single batch moves. It has risen where it is three times the lowest
/// one and lies half of the first loss above that: what is next to 0 may double without harm, and a warm restart of the rate
/// gives back a part of what was gained, never so much. A batch stands out with ten times the larger of that median and the
/// first loss: batches of one sample that is wrongly told lie below that. (Lightning's SpikeDetection takes twice the last ten;
/// that many healthy batches have.)
public struct RisingLoss: Rule {
  public let name = "risingLoss"
  /// Times the lowest median that count as risen.
  public var rise: Double
  /// Times the median, and the first loss, that count as a spike.
  public var spike: Double
  /// The step up to which a loss may rise: adaptive optimizers begin so.
  static let warmUp = 20
  /// log₁₀ of the last nine losses in thousandths, the present one last; of the lowest median; of the mean of the first five.
  private var recent: [Int] = []
  private var lowest: Int?
  private var first: Int?
  private var risen: Persistence
  private var spikes: RecentLooks

  /// `observations` is how many looks in a row must show a rise, `spikes` how many of the last 20 a spike.
  public init(rise: Double = 3, spike: Double = 10, observations: Int = 5, spikes: Int = 3) {
    (self.rise, self.spike) = (rise, spike)
    risen = Persistence(needed: observations)
    self.spikes = RecentLooks(needed: spikes, of: 20)
  }

  public var memory: [String: Int] {
    get {
      var memory = risen.memory("rise.").merging(spikes.memory("spikes.")) { first, _ in first }
      for (place, loss) in recent.enumerated() { memory["loss.\(place)"] = loss }
      (memory["lowest"], memory["first"]) = (lowest, first)
      return memory
    }
    set {
      risen.recall(newValue, "rise.")
      spikes.recall(newValue, "spikes.")
      recent = (0..<Self.median).compactMap { kept(thousandths: newValue["loss.\($0)"]) }
      (lowest, first) = (kept(thousandths: newValue["lowest"]), kept(thousandths: newValue["first"]))
    }
  }

  private static let median = 9

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard rows.isFinite, rows.loss >= 0 else { return nil }
    let before = middle
    let loss = thousandths(rows.loss)
    recent = recent.suffix(Self.median - 1) + [loss]
    if first == nil, recent.count == 5 {
      first = thousandths(recent.reduce(0) { $0 + value($1) } / 5)
    }
    guard let first, let now = middle else { return nil }
    let bottom = min(lowest ?? first, first)
    if rows.step > Self.warmUp { lowest = min(lowest ?? now, now) }
    let stands = before.map { value(loss) >= spike * max(value($0), value(first)) } ?? false
    let hasRisen = value(now) >= rise * value(bottom) && value(now) >= value(bottom) + 0.5 * value(first)
    let opensSpikes = spikes.opens(stands)
    if risen.opens(rows.step > Self.warmUp && hasRisen) {
      return Finding(
        rule: name, severity: .warning, step: rows.step, layers: [], subject: "loss", cause: "rise",
        evidence: ["loss": value(now), "lowest": value(bottom), "first": value(first)],
        message: "The loss has risen from \(shortened(value(bottom))) to \(shortened(value(now))) (median of the last "
          + "\(Self.median) looks) and stays there. Lower training.optimizer.learning_rate, or let it warm up and decay; "
          + "training.optimizer.global_clipnorm: 1 holds single large steps back.")
    }
    guard opensSpikes, let before else { return nil }
    return Finding(
      rule: name, severity: .warning, step: rows.step, layers: [], subject: "loss", cause: "spikes",
      evidence: ["loss": value(loss), "median": value(before), "first": value(first)],
      message: "Some batches have a loss of \(shortened(value(loss))), where \(shortened(value(before))) is usual: "
        + "\(spikes.needed) of the last 20 looks. Look for samples whose inputs or targets are far larger than all others; "
        + "mend them, or scale the targets. training.optimizer.global_clipnorm: 1 limits what they do.")
  }

  private func value(_ thousandths: Int) -> Double { pow10(Double(thousandths) / 1000) }

  /// The median of the last nine; nil before there are so many.
  private var middle: Int? { recent.count == Self.median ? recent.sorted()[Self.median / 2] : nil }
}

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// The loss stays where guessing by the classes' shares puts it, and no more answers are right than of guessing, though
/// gradients arrive and weights move: the labels say nothing of the inputs.
///
/// The entropy of the shares is what a network that knows nothing of a sample can reach (ln of the number of classes, where
/// they are equal). A healthy network that is slow stays there too. Most have more right answers long before their loss falls:
/// two layers of sigmoid at a rate of 0.1 lay within 2 % of it for 100 steps of MNIST, with a quarter of the answers right; three
/// of them stayed for 400 steps with a tenth right, and then learnt. What tells these is that the gradient is lost on the way
/// (D = 1.7, of two 1.1), so looks with D ≥ 1 do not count; nor do those at which a kernel changes by less than 1e-4 of itself, or
/// one by more than 0.3. Recurrent networks stay at chance for long before they find what lies far back: they have thrice
/// the time.
public struct LossAtChance: Rule {
  public let name = "lossAtChance"
  /// Shares of the entropy within which the mean loss lies.
  public var band: ClosedRange<Double>
  public var observations: Int
  /// Steps that a row of looks lasts, and steps at the start that count for nobody.
  static let lasting = 190
  static let warmUp = 20
  /// By class, over all looks.
  private var counts = ClassCounts()
  // The present row of looks.
  private var looks = 0
  private var since = 0
  private var healthy = 0
  private var samples = 0
  private var right = 0
  /// Sums of the loss in ten-thousandths and looks, of both halves.
  private var sums = [0, 0]
  private var halves = [0, 0]
  /// Rows in turn that were at chance.
  private var rowsAtChance = 0
  private var isOpen = false

  /// `observations` is how many looks are judged together.
  public init(band: ClosedRange<Double> = 0.98...1.2, observations: Int = 20) {
    (self.band, self.observations) = (band, observations)
  }

  public var memory: [String: Int] {
    get {
      counts.memory().merging([
        "looks": looks, "since": since, "healthy": healthy, "samples": samples, "right": right, "sum.0": sums[0],
        "sum.1": sums[1], "half.0": halves[0], "half.1": halves[1], "rows": rowsAtChance, "open": isOpen ? 1 : 0,
      ]) { first, _ in first }
    }
    set {
      counts.recall(newValue)
      (looks, since, healthy) = (natural(newValue["looks"]), natural(newValue["since"]), natural(newValue["healthy"]))
      (samples, right) = (natural(newValue["samples"]), natural(newValue["right"]))
      sums = [natural(newValue["sum.0"]), natural(newValue["sum.1"])]
      halves = [natural(newValue["half.0"]), natural(newValue["half.1"])]
      (rowsAtChance, isOpen) = (natural(newValue["rows"]), newValue["open"] == 1)
    }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard rows.isFinite, rows.loss >= 0, let classes = rows.facts.classes, classes.isJudgedByEntropy else { return nil }
    counts.add(classes.counts)
    guard rows.step > Self.warmUp else { return nil }
    if looks == 0 { since = rows.step }
    let half = looks < observations / 2 || rows.step - since < Self.lasting / 2 ? 0 : 1
    looks += 1
    halves[half] += 1
    sums[half] += Int((min(rows.loss, 1e6) * 1e4).rounded())
    samples += classes.counts.reduce(0, +)
    right += Int(min(max(classes.right, 0), 1e9).rounded())
    if isHealthy(rows) { healthy += 1 }
    guard looks >= observations, rows.step - since >= Self.lasting else { return nil }
    return judged(rows)
  }

  /// What a whole row of looks says; the next one begins.
  private mutating func judged(_ rows: ProbeRows) -> Finding? {
    defer {
      (looks, healthy, samples, right, sums, halves) = (0, 0, 0, 0, [0, 0], [0, 0])
    }
    let loss = Double(sums[0] + sums[1]) / 1e4 / Double(max(looks, 1))
    let (chance, share) = (counts.entropy, counts.largestShare)
    let accuracy = Double(right) / Double(max(samples, 1))
    // Three deviations of so many guesses.
    let noise = 3 * (share * (1 - share) / Double(max(samples, 1))).squareRoot()
    let isFalling =
      halves[1] > 0
      && Double(sums[1]) / Double(halves[1]) < 0.99 * Double(sums[0]) / Double(max(halves[0], 1))
    let isAtChance =
      counts.total >= 200 && chance >= 0.5 * log(Double(max(counts.occurring, 2))) && samples > 0
      && band.contains(loss / max(chance, 1e-9)) && accuracy <= share + noise && !isFalling
      && 10 * healthy >= 9 * looks
    rowsAtChance = isAtChance ? rowsAtChance + 1 : 0
    if !isAtChance { isOpen = false }
    guard isAtChance, !isOpen, rowsAtChance >= (rows.courses.isEmpty ? 1 : 3) else { return nil }
    isOpen = true
    return Finding(
      rule: name, severity: .warning, step: rows.step, layers: [], subject: "labels", cause: "labels",
      evidence: [
        "loss": loss, "chance": chance, "accuracy": accuracy, "largestShare": share, "since": Double(since),
      ],
      message: "The loss stays at \(shortened(loss)) since step \(since), where guessing puts it "
        + "(\(shortened(chance))), and \(Int((accuracy * 100).rounded())) % of the answers are right, though gradients "
        + "arrive and weights move: the labels say nothing of the inputs. See whether each sample has its own label "
        + "(data.label; files joined in another order, or shifted by a row), and whether its inputs can tell the classes."
    )
  }

  private func isHealthy(_ rows: ProbeRows) -> Bool {
    let ratios = rows.updateRatios.map(\.ratio)
    guard let least = ratios.min(), let most = ratios.max() else { return false }
    return least >= 1e-4 && most <= 0.3 && rows.flow.lostDecades < 1 && rows.flow.grownDecades < 1
      && rows.restingUnits.allSatisfy { $0.share < 0.9 }
  }
}

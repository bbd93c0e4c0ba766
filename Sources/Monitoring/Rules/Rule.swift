/// Watches the rows of a run; answers once when a fault opens, and again only after it was gone.
///
/// A rule of one's own goes into `TrainingLoop`'s `rules`:
///
///     struct HighLoss: Rule {
///       let name = "highLoss"
///       private var persistence = Persistence(needed: 5)
///       var memory: [String: Int] {
///         get { persistence.memory() }
///         set { persistence.recall(newValue) }
///       }
///       mutating func observe(_ rows: ProbeRows) -> Finding? {
///         guard persistence.opens(rows.loss > 10) else { return nil }
///         return Finding(
///           rule: name, severity: .warning, step: rows.step, layers: [], evidence: ["loss": rows.loss],
///           message: "The loss is \(rows.loss) in five looks in a row.")
///       }
///     }
public protocol Rule: Sendable {
  /// The trouble it finds: `vanishingGradient`. No other rule of a run has it.
  var name: String { get }
  /// Called at each look, in the order of the steps.
  mutating func observe(_ rows: ProbeRows) -> Finding?
  /// Called at the end of each epoch that is validated, and of a run that ends within one. Unless said, nothing is found
  /// there.
  mutating func observe(_ evaluation: EvaluationFacts) -> Finding?
  /// What it remembers between observations, for a checkpoint; a key that is absent has its first value. It comes from a
  /// file, which may hold anything. Unless said, a rule remembers nothing there: it begins anew where a run goes on.
  var memory: [String: Int] { get set }
}

extension Rule {
  public mutating func observe(_ evaluation: EvaluationFacts) -> Finding? { nil }

  public var memory: [String: Int] {
    get { [:] }
    set {}
  }
}

/// Tells a lasting fault from a single odd batch: open after `needed` observations in a row, closed after as many
/// without.
public struct Persistence: Hashable, Sendable {
  public var needed: Int
  private var streak = 0
  private var calm = 0
  private var isOpen = false

  public init(needed: Int) { self.needed = needed }

  /// Its part of a rule's memory, with `prefix` before the keys.
  public func memory(_ prefix: String = "") -> [String: Int] {
    [prefix + "streak": streak, prefix + "calm": calm, prefix + "open": isOpen ? 1 : 0]
  }

  public mutating func recall(_ memory: [String: Int], _ prefix: String = "") {
    func count(_ key: String) -> Int { natural(memory[prefix + key]) }
    (streak, calm, isOpen) = (count("streak"), count("calm"), count("open") == 1)
  }

  /// Whether the fault opens with this observation. One that does not stay waits, however long it has lasted.
  public mutating func opens(_ isBad: Bool, stays: Bool = true) -> Bool {
    streak = isBad ? streak + 1 : 0
    calm = isBad ? 0 : calm + 1
    if calm >= needed { isOpen = false }
    guard !isOpen, streak >= needed, stays else { return false }
    isOpen = true
    return true
  }
}

/// Which of the last looks showed a fault that comes and goes: open with `needed` of `last`, the present one among them;
/// closed with fewer than half as many.
struct RecentLooks: Hashable, Sendable {
  let needed: Int
  private let mask: UInt64
  /// A bit a look, the present one the lowest.
  private var looks: UInt64 = 0
  private var isOpen = false

  /// Of at most 60 looks.
  init(needed: Int, of last: Int) {
    self.needed = needed
    mask = (1 << UInt64(min(max(last, 1), 60))) - 1
  }

  func memory(_ prefix: String = "") -> [String: Int] {
    [prefix + "looks": Int(looks), prefix + "open": isOpen ? 1 : 0]
  }

  mutating func recall(_ memory: [String: Int], _ prefix: String = "") {
    looks = UInt64(truncatingIfNeeded: memory[prefix + "looks"] ?? 0) & mask
    isOpen = memory[prefix + "open"] == 1
  }

  mutating func opens(_ isBad: Bool) -> Bool {
    looks = (looks << 1 | (isBad ? 1 : 0)) & mask
    if 2 * looks.nonzeroBitCount < needed { isOpen = false }
    guard isBad, !isOpen, looks.nonzeroBitCount >= needed else { return false }
    isOpen = true
    return true
  }
}

/// A number of a memory, which comes from a file: not below 0, and no larger than that of any run.
package func natural(_ number: Int?) -> Int { min(max(number ?? 0, 0), 1 << 32) }

/// The same of a log₁₀ in thousandths, which may lie below 0; nil where there is none.
func kept(thousandths: Int?) -> Int? { thousandths.map { min(max($0, -1_000_000), 1_000_000) } }

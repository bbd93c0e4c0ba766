/// Watches the rows of a run; answers once when a fault opens, and again only after it was gone.
public protocol Rule: Sendable {
  /// The trouble it finds: `vanishingGradient`.
  var name: String { get }
  mutating func observe(_ rows: ProbeRows) -> Finding?
  /// What it remembers between observations, for a checkpoint; a key that is absent has its first value. It comes from a
  /// file, which may hold anything.
  var memory: [String: Int] { get set }
}

/// Tells a lasting fault from a single odd batch: open after `needed` observations in a row, closed after as many
/// without.
struct Persistence: Sendable {
  var needed: Int
  private var streak = 0
  private var calm = 0
  private var isOpen = false

  init(needed: Int) { self.needed = needed }

  /// Its part of a rule's memory, with `prefix` before the keys.
  func memory(_ prefix: String = "") -> [String: Int] {
    [prefix + "streak": streak, prefix + "calm": calm, prefix + "open": isOpen ? 1 : 0]
  }

  mutating func recall(_ memory: [String: Int], _ prefix: String = "") {
    func count(_ key: String) -> Int { min(max(memory[prefix + key] ?? 0, 0), 1 << 32) }
    (streak, calm, isOpen) = (count("streak"), count("calm"), count("open") == 1)
  }

  /// Whether the fault opens with this observation. One that does not stay waits, however long it has lasted.
  mutating func opens(_ isBad: Bool, stays: Bool = true) -> Bool {
    streak = isBad ? streak + 1 : 0
    calm = isBad ? 0 : calm + 1
    if calm >= needed { isOpen = false }
    guard !isOpen, streak >= needed, stays else { return false }
    isOpen = true
    return true
  }
}

/// Tells a fault that stays from one that training mends by itself.
///
/// The first updates are looked at one by one, so a fault of ten looks may be ten updates old. Behind an output layer of zeros,
/// say, no gradient arrives at first; with each update it grows by what the layer does. And an optimizer that scales its
/// steps, as Adam does, moves layers that hardly any gradient reaches: of 24 layers of relu with Xavier's weights, D was 3.5 at
/// the first update, 3.6 at the tenth and 0.2 at the hundredth.
struct Trend: Sendable {
  /// By how many decades a fault must have shrunk, since it was first seen, to be on the mend.
  static let mending = 0.2
  /// Steps behind which a fault counts, though it shrinks.
  var patience: Int
  /// The step at which it was first seen, 0 where there is none, and its size there, in decades.
  private var since = 0
  private var first = 0.0

  init(patience: Int) { self.patience = patience }

  /// Its part of a rule's memory, with `prefix` before the keys; decades in thousandths.
  func memory(_ prefix: String = "") -> [String: Int] {
    [prefix + "since": since, prefix + "first": Int((first * 1000).rounded())]
  }

  mutating func recall(_ memory: [String: Int], _ prefix: String = "") {
    (since, first) = (natural(memory[prefix + "since"]), Double(natural(memory[prefix + "first"])) / 1000)
  }

  /// Whether a fault of so many decades stays; all of a gradient is 100. What still moves may mend.
  mutating func stays(_ isBad: Bool, _ decades: Double, at step: Int, isMoving: Bool = false) -> Bool {
    guard isBad else {
      since = 0
      return false
    }
    let size = min(decades, 100)
    if since == 0 { (since, first) = (max(step, 1), size) }
    return !isMoving && size >= first - Self.mending || step - since >= patience
  }
}

import SwitchbackPrograms

/// Consecutive calls that always stay on one backend: the places where a routing may cut lie between atoms.
///
/// A call that does much of the program's arithmetic is an atom of its own; the light ones between two such
/// (activations, biases, pooling) go together, as far as the same backends may run them.
struct RouteAtoms {
  private(set) var ranges: [Range<Int>] = []
  /// Links in the chain's order.
  private(set) var allowed: [[Int]] = []

  /// The share of the program's arithmetic from which a call stands alone.
  private static let heavyShare = 0.005

  private let isHeavy: [Bool]

  /// Without any call yet.
  init(_ program: Program) {
    let flops = program.calls.map { Double(program.cost(of: $0).flops) }
    isHeavy = flops.map { $0 >= Self.heavyShare * flops.reduce(0, +) && $0 > 0 }
  }

  /// The next call: the links that may run it, and whether one of them, which may run the call before it too, takes it
  /// only with that.
  mutating func append(_ call: Int, allowed links: [Int], isBound: Bool) {
    guard let before = allowed.last, isBound || (links == before && !isHeavy[call] && !isHeavy[call - 1]) else {
      ranges.append(call..<call + 1)
      allowed.append(links)
      return
    }
    let last = ranges.count - 1
    ranges[last] = ranges[last].lowerBound..<call + 1
    allowed[last] = before.filter(links.contains)
  }
}

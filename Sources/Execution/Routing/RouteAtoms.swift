import SwitchbackPrograms

/// Consecutive calls that always stay on one backend: the places where a routing may cut lie between atoms.
///
/// A call that does much of the program's arithmetic is an atom of its own; the light ones between two such
/// (activations, biases, pooling) go together, as far as the same backends may run them.
package struct RouteAtoms {
  package private(set) var ranges: [Range<Int>] = []
  /// Links in the chain's order.
  package private(set) var allowed: [[Int]] = []

  /// The share of the program's arithmetic from which a call stands alone.
  private static let heavyShare = 0.005

  /// `allowed` lists for each call the links that may run it, `isBound` the calls that only go with the one before.
  package init(_ program: Program, allowed links: [[Int]], isBound: [Bool]) {
    let flops = program.calls.map { Double(program.cost(of: $0).flops) }
    let heavy = flops.map { $0 >= Self.heavyShare * flops.reduce(0, +) && $0 > 0 }
    for index in program.calls.indices {
      let joins =
        index > 0
        && (isBound[index] || (links[index] == allowed[allowed.count - 1] && !heavy[index] && !heavy[index - 1]))
      if joins {
        let last = ranges.count - 1
        ranges[last] = ranges[last].lowerBound..<index + 1
        allowed[last] = allowed[last].filter(links[index].contains)
      } else {
        ranges.append(index..<index + 1)
        allowed.append(links[index])
      }
    }
  }
}

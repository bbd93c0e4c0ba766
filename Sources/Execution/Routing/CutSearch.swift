/// The cheapest way to cut a row of atoms into segments and give each a backend.
///
/// Shortest path through the states (atoms done, backend of the last segment): a segment `i ..< j` on a backend costs
/// what the caller says, with its transfers and the loss of fusion at its ends. O(n²·b) for n atoms and b backends.
package struct CutSearch {
  /// For each atom the backends that may run it.
  package let allowed: [Set<Int>]

  package init(allowed: [Set<Int>]) { self.allowed = allowed }

  /// The backend of each atom on the cheapest path; of equal ones that of the earlier backends.
  package func best(_ backends: [Int], cost: (_ backend: Int, _ atoms: Range<Int>) -> Double) -> [Int] {
    struct State {
      var cost = Double.infinity
      var start = 0
      /// Of the segment before; nil at the start.
      var previous: Int?
    }
    let count = allowed.count
    var states = [[Int: State]](repeating: [:], count: count + 1)
    for end in 0..<count {
      for backend in backends {
        var start = end
        var best = State()
        while start >= 0, allowed[start].contains(backend) {
          // Two segments in a row on one backend are one segment.
          let before: (cost: Double, backend: Int?)? =
            start == 0
            ? (0, nil)
            : backends.filter { $0 != backend }.compactMap { other in
              states[start][other].map { ($0.cost, other) }
            }.min { $0.0 < $1.0 }
          if let before {
            let total = before.cost + cost(backend, start..<end + 1)
            if total < best.cost { best = State(cost: total, start: start, previous: before.backend) }
          }
          start -= 1
        }
        if best.cost < .infinity { states[end + 1][backend] = best }
      }
    }
    var path = [Int](repeating: 0, count: count)
    var end = count
    var last = backends.filter { states[count][$0] != nil }.min { states[count][$0]!.cost < states[count][$1]!.cost }
    while end > 0, let backend = last, let state = states[end][backend] {
      for atom in state.start..<end { path[atom] = backend }
      (end, last) = (state.start, state.previous)
    }
    return path
  }
}

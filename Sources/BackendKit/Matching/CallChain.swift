/// Calls of a segment that follow each other: each alone computes with the first result of the one before, wherever in
/// the program it stands.
package struct CallChain {
  package private(set) var calls: [Int]
  /// What the last call writes.
  package private(set) var result: Int
  private let uses: ValueUses

  /// nil where nobody wants the first result of `first`.
  package init?(from first: Int, _ uses: ValueUses) {
    guard let result = uses.segment.calls[first].outputs.first ?? nil else { return nil }
    (calls, self.result, self.uses) = ([first], result, uses)
  }

  /// Goes on to the only reader of the result, where `accept` makes something of that call; it is told the result too.
  package mutating func follow<Found>(_ accept: (_ call: Int, _ result: Int) -> Found?) -> Found? {
    // Of a state the readers may be those of what lay there before.
    guard uses.segment.values[result].role != .state, let next = uses.onlyReader(of: result),
      let written = uses.segment.calls[next].outputs.first ?? nil, let found = accept(next, result)
    else { return nil }
    calls.append(next)
    result = written
    return found
  }
}

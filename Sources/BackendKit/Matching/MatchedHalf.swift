/// Calls that one kernel computes: a whole match, or the forward or the backward half of one.
package struct MatchedHalf: Hashable, Sendable {
  package let calls: [Int]
  /// The values of those calls that the kernel writes for others in any case. The rest lie between, but for states, which
  /// are always written.
  package let results: [Int]

  package init(calls: [Int], results: [Int]) { (self.calls, self.results) = (calls, results) }

  package init(_ chain: CallChain) { self.init(calls: chain.calls, results: [chain.result]) }

  /// The values between; nil where a call outside computes with one, so that this is no match.
  package func between(_ uses: ValueUses) -> ValuesBetween? {
    ValuesBetween(of: [self], uses, within: Set(calls))
  }
}

/// A forward and a backward half that are matched together: what the forward half does not write, the backward half makes
/// anew or is handed aside (of a pooling the winners), so each half is right only beside the other.
package struct MatchedPair: Hashable, Sendable {
  package let forward: MatchedHalf
  package let backward: MatchedHalf

  package init(forward: MatchedHalf, backward: MatchedHalf) { (self.forward, self.backward) = (forward, backward) }

  /// The values between; nil where a call outside both halves computes with one. Then neither half may be fused.
  package func between(_ uses: ValueUses) -> ValuesBetween? {
    ValuesBetween(of: [forward, backward], uses, within: Set(forward.calls).union(backward.calls))
  }
}

/// What calls that are computed at once leave unwritten, and what they write for those who look.
package struct ValuesBetween: Hashable, Sendable {
  package private(set) var elided: Set<Int> = []
  package private(set) var watched: Set<Int> = []

  fileprivate init?(of halves: [MatchedHalf], _ uses: ValueUses, within calls: Set<Int>) {
    for half in halves {
      for case let value? in half.calls.flatMap({ uses.segment.calls[$0].outputs })
      where !half.results.contains(value) && uses.segment.values[value].role != .state {
        switch uses.inner(value, within: calls) {
        case .elided: elided.insert(value)
        case .watched: watched.insert(value)
        case .shared: return nil
        }
      }
    }
  }
}

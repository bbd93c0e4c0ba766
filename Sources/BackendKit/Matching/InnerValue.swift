/// What becomes of a value between calls that are computed at once.
package enum InnerValue: Hashable, Sendable {
  /// Only those calls read it: it need not exist in memory.
  case elided
  /// A probe, a tap or the host looks at it as well: the fused kernel writes it beside its result, by the instructions
  /// that compute it anyway, so all other values have the same bits.
  case watched
  /// A call outside computes with it: it is a result, and nothing between.
  case shared
}

extension ValueUses {
  /// What becomes of `value`, which one of `calls` writes, where `calls` are computed at once.
  package func inner(_ value: Int, within calls: Set<Int>) -> InnerValue {
    let outside = readers(of: value).filter { !calls.contains($0) }
    guard outside.allSatisfy(looks) else { return .shared }
    return outside.isEmpty && segment.values[value].role == .temporary ? .elided : .watched
  }

  /// Whether `value` may be left unwritten: a temporary that is not tapped, and that `calls` alone read.
  package func mayElide(_ value: Int, within calls: Set<Int>) -> Bool { inner(value, within: calls) == .elided }
}

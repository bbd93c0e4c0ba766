import SwitchbackBackendKit
import SwitchbackPrograms

extension Fusion {
  /// The number that every element of `value` is, where calls make it of constants alone and for `reader` alone, and these
  /// calls: a pattern that takes them has a number in place of an operand. `value` itself may be looked at.
  func constant(_ value: Int, readBy reader: Int) -> (number: Float, calls: [Int])? {
    guard let found = constant(value, depth: 8) else { return nil }
    let made = found.calls.flatMap { segment.calls[$0].outputs.compactMap { $0 } }
    let within = found.calls.union([reader])
    guard uses.inner(value, within: within) != .shared,
      made.allSatisfy({ $0 == value || uses.mayElide($0, within: within) })
    else { return nil }
    return (found.number, found.calls.sorted())
  }

  /// The number that every element of `value` is, whoever else reads it. The calls that make it are told where they do so for
  /// `reader` alone and nobody looks: only then may they be left out.
  func number(_ value: Int, readBy reader: Int) -> (number: Float, calls: [Int])? {
    guard let found = constant(value, depth: 8) else { return nil }
    guard uses.mayElide(value, within: [reader]), let own = constant(value, readBy: reader) else {
      return (found.number, [])
    }
    return own
  }

  /// `depth`: how many calls may follow each other; the scale of a loss has some four.
  private func constant(_ value: Int, depth: Int) -> (number: Float, calls: Set<Int>)? {
    guard depth > 0, segment.values[value].type.elementType == .float32, let call = uses.writer(of: value),
      computes(call)
    else { return nil }
    let parts = segment.calls[call].inputs.map { constant($0, depth: depth - 1) }
    let numbers = parts.compactMap { $0?.number }
    guard numbers.count == parts.count else { return nil }
    let calls = parts.reduce(into: Set([call])) { $0.formUnion($1?.calls ?? []) }
    switch segment.calls[call].operation {
    case let fill as Fill: return (Float(fill.value), calls)
    case is Reshape, is Broadcast: return (numbers[0], calls)
    case let binary as Binary where binary.function == .multiply: return (numbers[0] * numbers[1], calls)
    default: return nil
    }
  }
}

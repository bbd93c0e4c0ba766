import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// A state that is replaced where a step is allowed: it is written once, in its place.
///
///     isAllowed   new   state
///            ╲     │    ╱
///              select
///                 │    state
///               assign
///
/// Where a probe, a tap or the host looks at what was chosen, that is written beside. Where another call computes with it,
/// this is no match.
enum GuardedAssignment: FusionPattern {
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls? {
    let (segment, uses) = (fusion.segment, fusion.uses)
    let inputs = segment.calls[first].inputs
    guard segment.calls[first].operation is Select, let chosen = fusion.found(first),
      case let (isAllowed, new, state) = (inputs[0], inputs[1], inputs[2]), segment.values[state].role == .state,
      segment.values[isAllowed].type.shape.elementCount == 1, new != state,
      segment.values[state].type.elementType == .float32,
      [new, chosen.result].allSatisfy({ segment.values[$0].type == segment.values[state].type }),
      let assign = uses.onlyReader(of: chosen.result), segment.calls[assign].operation is Assign,
      fusion.computes(assign),
      segment.calls[assign].inputs == [state, chosen.result]
    else { return nil }
    let half = MatchedHalf(calls: [first, assign], results: [])
    guard let between = half.between(uses) else { return nil }
    let kept = between.watched.contains(chosen.result) ? chosen.result : nil
    return FusedCalls(halves: [half]) { _ in
      let (kernels, count) = (fusion.library.kernels, segment.values[state].type.shape.elementCount)
      let work = Work(
        calls: half.calls,
        operands: [
          .init(value: isAllowed, access: .whole), .init(value: new, access: .rows), .init(value: state, access: .rows),
        ],
        results: [.init(value: state, form: .rows)]
          + (kept.map { [.init(value: $0, form: .rows, isBeside: true)] } ?? []),
        rows: count, isDivisible: true, cost: fusion.cost(of: half.calls, reading: [new], writing: [state])
      ) { frame in
        func words(_ value: Int) -> UnsafeMutablePointer<UInt32> {
          frame.pointers[value].assumingMemoryBound(to: UInt32.self)
        }
        let condition = frame.pointers[isAllowed].assumingMemoryBound(to: UInt8.self)
        kernels.pointee.select(Int64(frame.rows), condition, 0, words(new), 1, words(state), 1, words(state))
        if let kept { words(kept).update(from: words(state), count: frame.rows) }
      }
      return [[work]]
    }
  }
}

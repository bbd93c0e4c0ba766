import SwitchbackBackendKit
import SwitchbackPrograms

/// What patterns ask that are no chains: who makes what of a value that several calls read.
extension Fusion {
  /// A call that this backend computes, and its first result.
  struct Found {
    let call: Int
    let result: Int
  }

  /// The calls that compute with `value`.
  func readers(of value: Int) -> [Int] { uses.readers(of: value).filter { !uses.looks($0) } }

  func found(_ call: Int) -> Found? {
    guard computes(call), let result = segment.calls[call].outputs.first ?? nil else { return nil }
    return Found(call: call, result: result)
  }

  /// The first reader of `value` that is an `Operation` and that `accept` takes.
  func reader<Operation: TensorOperation>(
    of value: Int, _ type: Operation.Type, where accept: (Operation, _ found: Found, _ inputs: [Int]) -> Bool
  ) -> Found? {
    for call in readers(of: value) {
      guard let operation = segment.calls[call].operation as? Operation, let found = found(call),
        accept(operation, found, segment.calls[call].inputs)
      else { continue }
      return found
    }
    return nil
  }

  /// `a` and `b` added or multiplied, in either order.
  func binary(_ function: BinaryFunction, _ a: Int, _ b: Int) -> Found? {
    reader(of: a, Binary.self) { $0.function == function && ($2 == [a, b] || $2 == [b, a]) }
  }

  func unary(_ function: UnaryFunction, _ value: Int) -> Found? {
    reader(of: value, Unary.self) { operation, _, _ in operation.function == function }
  }

  /// The gradient of `function` that comes out of `dy`, with its slopes of `v`.
  func unaryBackward(_ function: UnaryFunction, _ v: Int, _ dy: Int) -> Found? {
    reader(of: dy, UnaryBackward.self) { $0.function == function && $2 == [v, dy] }
  }

  /// `value` plus or times a number that the planner knows, the number, and the calls that make it for this one alone.
  func scalar(_ function: BinaryFunction, _ value: Int) -> (found: Found, number: Float, calls: [Int])? {
    for call in readers(of: value) {
      let inputs = segment.calls[call].inputs
      guard (segment.calls[call].operation as? Binary)?.function == function, let found = found(call),
        let other = inputs.first(where: { $0 != value }), segment.values[other].type.shape.elementCount == 1,
        segment.values[found.result].type.shape == segment.values[value].type.shape,
        let known = number(other, readBy: call)
      else { continue }
      return (found, known.number, known.calls)
    }
    return nil
  }

  /// `value` summed up, or its mean, over all axes but the last.
  func reduced(_ function: ReduceFunction, _ value: Int) -> Found? {
    reader(of: value, Reduce.self) { _, found, _ in reduces(found.call, function) }
  }

  /// Whether `call` is that.
  func reduces(_ call: Int, _ function: ReduceFunction) -> Bool {
    guard let reduce = segment.calls[call].operation as? Reduce else { return false }
    let rank = segment.values[segment.calls[call].inputs[0]].type.shape.rank
    return reduce.function == function && rank >= 2 && reduce.axes == Array(0..<rank - 1) && !reduce.keepDimensions
  }
}

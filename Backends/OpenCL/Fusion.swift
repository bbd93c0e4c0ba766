import SwitchbackBackendKit
import SwitchbackPrograms

/// Calls of a segment that become one piece of work.
struct FusedCalls {
  /// Consecutive calls of the segment.
  var calls: Range<Int>
  var work: Work
}

/// Joins neighbours whose results between them nobody else reads: a product with its bias and activation, and the
/// gradient of a pooling with that of the activation before it.
struct Fusion {
  let segment: Segment
  let traits: DeviceTraits
  /// How many calls read each value.
  private let uses: [Int]

  init(_ segment: Segment, traits: DeviceTraits) {
    (self.segment, self.traits) = (segment, traits)
    var uses = [Int](repeating: 0, count: segment.values.count)
    for call in segment.calls { for id in call.inputs { uses[id] += 1 } }
    self.uses = uses
  }

  /// The work that begins with call `first`.
  func work(from first: Int) throws(BackendError) -> FusedCalls {
    if let fused = product(first) ?? poolingGradient(first) { return fused }
    switch maker(first).make() {
    case .success(let work): return FusedCalls(calls: first..<first + 1, work: work)
    case .failure(let declined): throw BackendError(.unsupported, declined.reason, operation: first)
    }
  }

  private func maker(_ call: Int) -> WorkMaker {
    WorkMaker(segment: segment, call: segment.calls[call], traits: traits)
  }

  /// The call after `call`, where it alone reads the result of `call` and nobody has to see that.
  private func onlyReader(after call: Int) -> Program.Call? {
    guard call + 1 < segment.calls.count, let id = segment.calls[call].outputs[0], uses[id] == 1,
      segment.values[id].role == .temporary
    else { return nil }
    let next = segment.calls[call + 1]
    return next.inputs.contains(id) && next.outputs.first != .some(nil) ? next : nil
  }

  private func product(_ first: Int) -> FusedCalls? {
    let call = segment.calls[first]
    guard case .success = maker(first).make() else { return nil }
    switch call.operation {
    case let operation as Convolution2D where operation.groups == 1: break
    case let operation as MatrixMultiplication
    where !operation.transposeA && segment.values[call.inputs[0]].type.shape.rank == 2: break
    default: return nil
    }
    var epilogue = Epilogue()
    var last = first
    if let next = onlyReader(after: last), let bias = bias(next, of: call) {
      epilogue.bias = bias
      last += 1
    }
    if let next = onlyReader(after: last), let activation = next.operation as? Unary,
      let function = try? ElementwiseKernels.forward(activation.function)
    {
      (epilogue.function, epilogue.alpha) = (function, activation.alpha)
      last += 1
    }
    guard last > first, let result = segment.calls[last].outputs[0] else { return nil }
    let work =
      switch call.operation {
      case let operation as Convolution2D:
        maker(first).convolution(operation, into: .value(result), epilogue: epilogue)
      case let operation as MatrixMultiplication:
        maker(first).matrixMultiplication(operation, into: .value(result), epilogue: epilogue)
      default: Work([])
      }
    return FusedCalls(calls: first..<last + 1, work: work)
  }

  /// The operand that `call` adds to the product's result: one number a column.
  private func bias(_ call: Program.Call, of product: Program.Call) -> Int? {
    guard let add = call.operation as? Binary, add.function == .add, let result = product.outputs[0],
      let bias = call.inputs.first(where: { $0 != result })
    else { return nil }
    let columns = segment.values[result].type.shape.extents.last
    let shape = segment.values[bias].type.shape
    let isVector = shape.extents.last == columns && shape.elementCount == columns
    return isVector && shape.rank <= segment.values[result].type.shape.rank ? bias : nil
  }

  private func poolingGradient(_ first: Int) -> FusedCalls? {
    let call = segment.calls[first]
    guard let pooling = call.operation as? MaxPool2DBackward, case .success = maker(first).make(),
      let next = onlyReader(after: first), let gate = next.operation as? UnaryBackward,
      gate.function.gradientOperand == .output, next.inputs[0] == call.inputs[0], let result = next.outputs[0],
      let function = try? ElementwiseKernels.backward(gate.function)
    else { return nil }
    return FusedCalls(
      calls: first..<first + 2,
      work: maker(first).maxPoolBackward(
        pooling.geometry, into: .value(result), through: function, alpha: gate.alpha))
  }
}

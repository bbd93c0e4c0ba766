import SwitchbackBackendKit
import SwitchbackPrograms

/// Turns a call into launches, or says why it is declined. The families are in `Operations/`.
struct WorkMaker {
  let segment: Segment
  let call: Program.Call
  let traits: DeviceTraits

  func type(_ operand: Int) -> TensorType { segment.values[call.inputs[operand]].type }
  func input(_ operand: Int) -> Argument { .value(call.inputs[operand]) }
  func shape(_ operand: Int) -> Shape { type(operand).shape }
  var types: [TensorType] { segment.inputTypes(call) }
  /// The first result; `make()` makes sure that it is wanted.
  var result: TensorType { segment.values[call.outputs[0] ?? 0].type }
  var output: Argument { .value(call.outputs[0] ?? 0) }

  func make() -> Result<Work, Declined> {
    do {
      guard let work = try work() else { throw Declined(reason: "\(call.operation.name) is not implemented here") }
      return .success(work)
    } catch let declined as Declined {
      return .failure(declined)
    } catch {
      return .failure(Declined(reason: "\(error)"))
    }
  }

  private func work() throws -> Work? {
    guard call.outputs.first != .some(nil) else { throw Declined(reason: "its first result is not wanted") }
    let results = call.outputs.compactMap { $0.map { segment.values[$0].type } }
    for type in types + (call.operation is Statistics ? [] : results) {
      guard !type.elementType.isFloatingPoint || type.elementType == .float32 else {
        throw Declined(reason: "only f32 is computed here, not \(type.elementType.rawValue)")
      }
      guard type.shape.elementCount < 1 << 31 else { throw Declined(reason: "\(type) has more than 2³¹ elements") }
    }
    switch call.operation {
    case let operation as Unary: return unary(operation)
    case let operation as UnaryBackward: return unaryBackward(operation)
    case let operation as Binary: return try binary(operation)
    case is Select: return try select()
    case let operation as Cast: return cast(operation)
    case let operation as Fill: return fill(operation)
    case is Reshape: return try move(from: 0)
    case is Broadcast: return try broadcast()
    case let operation as Transpose: return try transpose(operation)
    case let operation as Slice: return try slice(operation)
    case let operation as SliceBackward: return try sliceBackward(operation)
    case let operation as Concatenate: return try concatenate(operation)
    case let operation as Pad: return try pad(operation)
    case is Assign: return try move(from: 1)
    case let operation as MatrixMultiplication: return matrixMultiplication(operation)
    case let operation as Convolution2D: return convolution(operation)
    case let operation as Convolution2DBackwardInput: return convolutionBackwardInput(operation)
    case let operation as Convolution2DBackwardFilter: return convolutionBackwardFilter(operation)
    case let operation as MaxPool2D: return pool("max_pool", operation.geometry)
    case let operation as MaxPool2DBackward: return maxPoolBackward(operation.geometry)
    case let operation as AveragePool2D: return pool("average_pool", operation.geometry)
    case let operation as AveragePool2DBackward: return averagePoolBackward(operation.geometry)
    case let operation as Reduce: return try reduce(operation)
    case let operation as ArgMax: return argMax(operation)
    case let operation as Softmax: return lines("softmax", axis: operation.axis)
    case let operation as SoftmaxBackward: return lines("softmax_backward", axis: operation.axis)
    case is SoftmaxCrossEntropy: return lines("cross_entropy", axis: 1)
    case is SoftmaxCrossEntropyBackward: return lines("cross_entropy_backward", axis: 1)
    case let operation as OneHot: return oneHot(operation)
    case let operation as Gather: return gather(operation)
    case let operation as ScatterAdd: return scatterAdd(operation)
    case let operation as RandomNumbers: return randomNumbers(operation)
    case let operation as Statistics: return try statistics(operation)
    case is AllFinite: return allFinite()
    case let operation as SGDUpdate: return sgd(operation)
    case let operation as RMSpropUpdate: return rmsprop(operation)
    case let operation as AdagradUpdate: return adagrad(operation)
    case let operation as AdamUpdate: return adam(operation)
    default: return nil
    }
  }
}

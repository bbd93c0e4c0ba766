import SwitchbackBackendKit
import SwitchbackPrograms

/// Turns a call into a kernel, or says why it is declined. The families are in `Operations/`.
struct KernelMaker {
  let segment: Segment
  let call: Program.Call
  let library: OpenBLASLibrary

  func type(_ operand: Int) -> TensorType { segment.values[call.inputs[operand]].type }
  func input(_ operand: Int) -> Int { call.inputs[operand] }
  /// The number of the first result, which `kernel()` makes sure is wanted.
  var output: Int { call.outputs[0] ?? 0 }
  var types: [TensorType] { segment.inputTypes(call) }

  /// Elements of one row.
  func rowSize(_ type: TensorType) -> Int { type.shape.extents.dropFirst().reduce(1, *) }
  /// The first extent; a scalar is one row.
  func rowCount(_ type: TensorType) -> Int { type.shape.extents.first ?? 1 }

  func make() -> Result<Kernel, Declined> {
    do {
      guard let kernel = try kernel() else { throw Declined(reason: "\(call.operation.name) is not implemented here") }
      return .success(kernel)
    } catch let declined as Declined {
      return .failure(declined)
    } catch {
      return .failure(Declined(reason: "\(error)"))
    }
  }

  private func kernel() throws -> Kernel? {
    guard call.outputs.first != .some(nil) else { throw Declined(reason: "its first result is not wanted") }
    let results = call.operation is Statistics ? [] : call.outputs.compactMap { $0.map { segment.values[$0].type } }
    for type in types + results where type.elementType.isFloatingPoint && type.elementType != .float32 {
      throw Declined(reason: "only f32 is computed here, not \(type.elementType.rawValue)")
    }
    switch call.operation {
    case let operation as Unary: return try unary(operation)
    case let operation as UnaryBackward: return try unaryBackward(operation)
    case let operation as Binary: return try binary(operation)
    case let operation as Fill: return try fill(operation)
    case let operation as Cast: return try cast(operation)
    case is Reshape: return copy(rowsStay: true)
    case is Select: return try select()
    case is Broadcast: return try broadcast()
    case let operation as Transpose: return try transpose(operation)
    case let operation as Slice: return try slice(operation)
    case let operation as SliceBackward: return try sliceBackward(operation)
    case let operation as Concatenate: return try concatenate(operation)
    case let operation as Pad: return try pad(operation)
    case let operation as RandomNumbers: return randomNumbers(operation)
    case let operation as MatrixMultiplication: return matrixMultiplication(operation)
    case let operation as Convolution2D: return convolution(operation.geometry)
    case let operation as Convolution2DBackwardInput: return convolutionBackwardInput(operation.geometry)
    case let operation as Convolution2DBackwardFilter: return convolutionBackwardFilter(operation)
    case let operation as MaxPool2D: return maxPool(operation.geometry)
    case let operation as MaxPool2DBackward: return maxPoolBackward(operation.geometry)
    case let operation as AveragePool2D: return averagePool(operation.geometry)
    case let operation as AveragePool2DBackward: return averagePoolBackward(operation.geometry)
    case let operation as Gather: return gather(operation)
    case let operation as ScatterAdd: return scatterAdd(operation)
    case let operation as OneHot: return oneHot(operation)
    case let operation as Reduce: return try reduce(operation)
    case let operation as ArgMax: return argMax(operation)
    case let operation as Softmax: return softmax(operation)
    case let operation as SoftmaxBackward: return softmaxBackward(operation)
    case is SoftmaxCrossEntropy: return crossEntropy()
    case is SoftmaxCrossEntropyBackward: return crossEntropyBackward()
    case let operation as Statistics: return statistics(operation)
    case is AllFinite: return try allFinite()
    case is Assign: return copyToState()
    case let operation as any OptimizerUpdate: return try update(operation)
    default: return nil
    }
  }
}

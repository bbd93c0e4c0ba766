import SwitchbackBackendKit
import SwitchbackPrograms

/// A product's last instructions add the bias and apply the activation, to results that are still in registers.
///
///     a   b           a, b: conv2d of one group, or matmul of a matrix that is not transposed
///      ╲ ╱
///     product   bias   f32[columns], or of as many axes as the product has, all but the last of extent 1
///         ╲     ╱
///           add        or none
///            │
///        activation    any function that has a kernel, or none; one of the two there is
///            │
///            y
///
/// Where a probe, a tap or the host looks at the product or at the sum, it is written beside y (`-DKEEP_PRODUCT`,
/// `-DKEEP_SUM`). Another operation that reads it makes this no chain.
enum ProductBiasActivation: FusionPattern {
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls? {
    let (segment, maker) = (fusion.segment, fusion.maker(first))
    guard isProduct(segment.calls[first], segment), maker.refusal == nil,
      var chain = CallChain(from: first, fusion.uses)
    else { return nil }
    let product = chain.result
    var epilogue = Epilogue()
    epilogue.bias = chain.follow { segment.rowVector(addedTo: $1, by: $0) }
    let sum = chain.result
    if let activation = chain.follow({ call, _ in function(of: segment.calls[call]) }) {
      (epilogue.function, epilogue.alpha) = activation
    }
    guard chain.calls.count > 1, let between = MatchedHalf(chain).between(fusion.uses) else { return nil }
    epilogue.keptProduct = between.watched.contains(product) ? product : nil
    epilogue.keptSum = sum != product && between.watched.contains(sum) ? sum : nil
    let y = Argument.value(chain.result)
    let work =
      switch segment.calls[first].operation {
      case let operation as Convolution2D: maker.convolution(operation, into: y, epilogue: epilogue)
      case let operation as MatrixMultiplication: maker.matrixMultiplication(operation, into: y, epilogue: epilogue)
      default: Work([])
      }
    return FusedCalls(calls: chain.calls, work: work, elided: between.elided)
  }

  private static func isProduct(_ call: Program.Call, _ segment: Segment) -> Bool {
    switch call.operation {
    case let operation as Convolution2D: operation.groups == 1
    case let operation as MatrixMultiplication:
      !operation.transposeA && segment.values[call.inputs[0]].type.shape.rank == 2
    default: false
    }
  }

  private static func function(of call: Program.Call) -> (options: [String], alpha: Double)? {
    guard let activation = call.operation as? Unary,
      let options = try? ElementwiseKernels.forward(activation.function)
    else { return nil }
    return (options, activation.alpha)
  }
}

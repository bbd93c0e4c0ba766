import SwitchbackBackendKit
import SwitchbackPrograms

extension Reduce: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    switch function {
    case .sum: fold(operands, result, type, from: 0, scale: 1) { $0 + Double($1) }
    case .mean:
      let count = count(operands.inputs[0].type)
      fold(operands, result, type, from: 0, scale: 1 / Double(count)) { $0 + Double($1) }
    case .sumSquares: fold(operands, result, type, from: 0, scale: 1) { $0 + Double($1) * Double($1) }
    case .max:
      fold(operands, result, type, from: -.infinity, scale: 1) { $0.isNaN || Double($1) <= $0 ? $0 : Double($1) }
    case .min:
      fold(operands, result, type, from: .infinity, scale: 1) { $0.isNaN || Double($1) >= $0 ? $0 : Double($1) }
    }
  }

  /// Walks x in order and folds each element into its result, in Float64.
  @inline(__always)
  private func fold<T: ReferenceScalar>(
    _ operands: ReferenceOperands, _ result: ReferenceTensor, _ type: T.Type, from start: Double, scale: Double,
    _ combine: (Double, T) -> Double
  ) {
    let (x, y) = (operands.inputs[0].elements(type), result.elements(type))
    let shape = operands.inputs[0].shape
    let kept = shape.reduced(over: axes, keepDimensions: true)
    let rows = BroadcastRows(shape, [kept])
    let sums = UnsafeMutablePointer<Double>.allocate(capacity: max(result.count, 1))
    defer { sums.deallocate() }
    sums.initialize(repeating: start, count: result.count)
    let stride = rows.innerStrides[0]
    for row in 0..<(shape.elementCount == 0 ? 0 : rows.rowCount) {
      let (line, out) = (x + row * rows.rowLength, sums + rows.offset(row: row, operand: 0))
      if stride == 0 {
        var sum = out[0]
        for e in 0..<rows.rowLength { sum = combine(sum, line[e]) }
        out[0] = sum
      } else {
        for e in 0..<rows.rowLength { out[e] = combine(out[e], line[e]) }
      }
    }
    for e in 0..<result.count { y[e] = T(sums[e] * scale) }
  }
}

extension ArgMax: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let shape = operands.inputs[0].shape
    let (length, inner) = (shape[axis], shape.extents[(axis + 1)...].reduce(1, *))
    let (x, y) = (operands.inputs[0].elements(type), result.elements(Int32.self))
    for e in 0..<result.count {
      let start = x + e / inner * length * inner + e % inner
      var best = 0
      // The first NaN wins.
      for a in 1..<max(length, 1) where !(start[a * inner] <= start[best * inner]) && !start[best * inner].isNaN {
        best = a
      }
      y[e] = Int32(best)
    }
  }
}

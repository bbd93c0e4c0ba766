import SwitchbackBackendKit
import SwitchbackPrograms

/// Calls `body` with the offset of each line of a tensor along an axis, and the stride in it.
@inline(__always)
private func forEachLine(_ shape: Shape, axis: Int, _ body: (_ start: Int, _ length: Int, _ stride: Int) -> Void) {
  let (length, inner) = (shape[axis], shape.extents[(axis + 1)...].reduce(1, *))
  for line in 0..<(length == 0 ? 0 : shape.elementCount / length) {
    body(line / inner * length * inner + line % inner, length, inner)
  }
}

extension Softmax: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let (x, y) = (operands.inputs[0].elements(type), result.elements(type))
    forEachLine(result.shape, axis: axis) { start, length, stride in
      let (x, y) = (x + start, y + start)
      var largest = x[0]
      for a in 1..<max(length, 1) where x[a * stride] > largest { largest = x[a * stride] }
      var sum: T = 0
      for a in 0..<length {
        y[a * stride] = T.exp(x[a * stride] - largest)
        sum += y[a * stride]
      }
      for a in 0..<length { y[a * stride] /= sum }
    }
  }
}

extension SoftmaxBackward: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let (y, dy, dx) = (operands.inputs[0].elements(type), operands.inputs[1].elements(type), result.elements(type))
    forEachLine(result.shape, axis: axis) { start, length, stride in
      var dot: T = 0
      for a in 0..<length { dot += y[start + a * stride] * dy[start + a * stride] }
      for a in 0..<length { dx[start + a * stride] = y[start + a * stride] * (dy[start + a * stride] - dot) }
    }
  }
}

extension SoftmaxCrossEntropy: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let (x, t, loss) = (operands.inputs[0].elements(type), operands.inputs[1].elements(type), result.elements(type))
    forEachLine(operands.inputs[0].shape, axis: 1) { start, classes, _ in
      let (x, t) = (x + start, t + start)
      var largest = x[0]
      for c in 1..<max(classes, 1) where x[c] > largest { largest = x[c] }
      var sum: T = 0
      for c in 0..<classes { sum += T.exp(x[c] - largest) }
      let logarithm = T.log(sum)
      var total: T = 0
      // Written so that no large numbers cancel: (largest − x) first, then the small logarithm.
      for c in 0..<classes where t[c] != 0 { total += t[c] * ((largest - x[c]) + logarithm) }
      loss[start / classes] = total
    }
  }
}

extension SoftmaxCrossEntropyBackward: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let (x, t) = (operands.inputs[0].elements(type), operands.inputs[1].elements(type))
    let (upstream, dx) = (operands.inputs[2].elements(type), result.elements(type))
    forEachLine(result.shape, axis: 1) { start, classes, _ in
      let (x, t, dx) = (x + start, t + start, dx + start)
      var largest = x[0]
      for c in 1..<max(classes, 1) where x[c] > largest { largest = x[c] }
      var sum: T = 0
      var weight: T = 0
      for c in 0..<classes {
        dx[c] = T.exp(x[c] - largest)
        sum += dx[c]
        weight += t[c]
      }
      for c in 0..<classes { dx[c] = upstream[start / classes] * (dx[c] / sum * weight - t[c]) }
    }
  }
}

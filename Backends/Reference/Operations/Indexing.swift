import SwitchbackBackendKit
import SwitchbackPrograms

private func check(_ indices: ReferenceTensor, below bound: Int, _ what: String) throws(BackendError) {
  let values = indices.elements(Int32.self)
  for e in 0..<indices.count where values[e] < 0 || Int(values[e]) >= bound {
    throw BackendError(.invalid, "index \(values[e]) at position \(e) is outside the \(bound) \(what)")
  }
}

extension OneHot: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    try check(operands.inputs[0], below: classes, "classes")
    let (indices, y) = (operands.inputs[0].elements(Int32.self), result.elements(type))
    y.update(repeating: 0, count: result.count)
    for e in 0..<operands.inputs[0].count { y[e * classes + Int(indices[e])] = 1 }
  }
}

extension SequenceMask: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    try check(operands.inputs[0], below: steps + 1, "lengths")
    switch result.type.elementType {
    case .float64: fill(result.elements(Double.self), operands.inputs[0])
    case .float32: fill(result.elements(Float.self), operands.inputs[0])
    case .bool: fill(result.elements(UInt8.self), operands.inputs[0])
    default: throw BackendError(.unsupported, "a mask of \(result.type) is not implemented here")
    }
  }

  private func fill<T: Numeric>(_ y: UnsafeMutablePointer<T>, _ lengths: ReferenceTensor) {
    let values = lengths.elements(Int32.self)
    for n in 0..<lengths.count {
      for t in 0..<steps { y[n * steps + t] = t < Int(values[n]) ? 1 : 0 }
    }
  }
}

extension Gather: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let x = operands.inputs[0]
    try check(operands.inputs[1], below: x.shape[axis], "slices")
    let indices = operands.inputs[1].elements(Int32.self)
    let (count, length) = (operands.inputs[1].count, x.shape[axis])
    let outer = x.shape.extents[..<axis].reduce(1, *)
    let block = x.shape.extents[(axis + 1)...].reduce(x.type.elementType.byteCount, *)
    for o in 0..<outer {
      for i in 0..<count {
        (result.bytes + (o * count + i) * block).copyMemory(
          from: x.bytes + (o * length + Int(indices[i])) * block, byteCount: block)
      }
    }
  }
}

extension ScatterAdd: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let x = operands.inputs[0]
    try check(operands.inputs[1], below: x.shape[axis], "slices")
    let (indices, updates) = (operands.inputs[1].elements(Int32.self), operands.inputs[2].elements(type))
    let y = result.elements(type)
    if result.bytes != x.bytes { y.update(from: x.elements(type), count: x.count) }
    let (count, length) = (operands.inputs[1].count, x.shape[axis])
    let outer = x.shape.extents[..<axis].reduce(1, *)
    let inner = x.shape.extents[(axis + 1)...].reduce(1, *)
    for o in 0..<outer {
      for i in 0..<count {
        let (to, from) = (y + (o * length + Int(indices[i])) * inner, updates + (o * count + i) * inner)
        for e in 0..<inner { to[e] += from[e] }
      }
    }
  }
}

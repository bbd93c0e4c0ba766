import SwitchbackBackendKit
import SwitchbackPrograms

// Moving elements needs only their size, not their meaning.

extension Reshape: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    // The planner usually gives both the same memory.
    guard let result = operands.outputs[0], result.bytes != operands.inputs[0].bytes else { return }
    result.bytes.copyMemory(from: operands.inputs[0].bytes, byteCount: result.type.byteCount)
  }
}

/// Copies between two tensors: element `i` of a box of `extents` goes from `i · fromStrides` to `i · toStrides`.
private func copy(
  _ from: UnsafeRawPointer, _ fromStrides: [Int], _ to: UnsafeMutableRawPointer, _ toStrides: [Int], extents: [Int],
  elementBytes: Int
) {
  guard !extents.contains(0) else { return }
  var index = extents.map { _ in 0 }
  while true {
    var (source, target) = (0, 0)
    for axis in extents.indices {
      source += index[axis] * fromStrides[axis]
      target += index[axis] * toStrides[axis]
    }
    (to + target * elementBytes).copyMemory(from: from + source * elementBytes, byteCount: elementBytes)
    var axis = extents.count - 1
    while axis >= 0 {
      index[axis] += 1
      if index[axis] < extents[axis] { break }
      index[axis] = 0
      axis -= 1
    }
    if axis < 0 { return }
  }
}

extension Transpose: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let strides = operands.inputs[0].shape.strides
    copy(
      operands.inputs[0].bytes, permutation.map { strides[$0] }, result.bytes, result.shape.strides,
      extents: result.shape.extents, elementBytes: result.type.elementType.byteCount)
  }
}

extension Broadcast: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    copy(
      operands.inputs[0].bytes, operands.inputs[0].shape.strides(stretchedTo: result.shape), result.bytes,
      result.shape.strides, extents: result.shape.extents, elementBytes: result.type.elementType.byteCount)
  }
}

extension Slice: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let from = operands.inputs[0].shape.strides
    let bytes = result.type.elementType.byteCount
    let start = zip(starts, from).reduce(0) { $0 + $1.0 * $1.1 }
    copy(
      operands.inputs[0].bytes + start * bytes, zip(from, strides).map { $0 * $1 }, result.bytes,
      result.shape.strides, extents: sizes, elementBytes: bytes)
  }
}

extension SliceBackward: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let to = result.shape.strides
    let bytes = result.type.elementType.byteCount
    let start = zip(starts, to).reduce(0) { $0 + $1.0 * $1.1 }
    result.bytes.initializeMemory(as: UInt8.self, repeating: 0, count: result.type.byteCount)
    copy(
      operands.inputs[0].bytes, operands.inputs[0].shape.strides, result.bytes + start * bytes,
      zip(to, strides).map { $0 * $1 }, extents: operands.inputs[0].shape.extents, elementBytes: bytes)
  }
}

extension Concatenate: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let bytes = result.type.elementType.byteCount
    var start = 0
    for input in operands.inputs {
      copy(
        input.bytes, input.shape.strides, result.bytes + start * result.shape.strides[axis] * bytes,
        result.shape.strides, extents: input.shape.extents, elementBytes: bytes)
      start += input.shape[axis]
    }
  }
}

extension Pad: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let bytes = result.type.elementType.byteCount
    try Fill(value: value, shape: result.shape.extents, elementType: result.type.elementType).run(
      ReferenceOperands(inputs: [], outputs: [result], host: operands.host))
    let start = zip(low, result.shape.strides).reduce(0) { $0 + $1.0 * $1.1 }
    copy(
      operands.inputs[0].bytes, operands.inputs[0].shape.strides, result.bytes + start * bytes, result.shape.strides,
      extents: operands.inputs[0].shape.extents, elementBytes: bytes)
  }
}

extension Reverse: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    guard let result = operands.outputs[0], result.count > 0 else { return }
    var from = result.shape.strides
    let bytes = result.type.elementType.byteCount
    let last = (result.shape[axis] - 1) * from[axis]
    from[axis] = -from[axis]
    copy(
      operands.inputs[0].bytes + last * bytes, from, result.bytes, result.shape.strides, extents: result.shape.extents,
      elementBytes: bytes)
  }
}

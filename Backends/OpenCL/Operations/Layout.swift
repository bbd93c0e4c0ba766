import SwitchbackPrograms

extension Reshape: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.move(from: 0) }
}

extension Broadcast: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.broadcast() }
}

extension Transpose: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.transpose(self) }
}

extension Slice: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.slice(self) }
}

extension SliceBackward: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.sliceBackward(self) }
}

extension Concatenate: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.concatenate(self) }
}

extension Pad: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.pad(self) }
}

extension Reverse: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.reverse(self) }
}

extension Assign: OpenCLOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.move(from: 1) }
}

extension WorkMaker {
  /// Moves a box of elements between an operand and the result; strides and starts in elements.
  private func moveLaunch(
    operand: Int, _ extents: [Int], from: [Int], fromStart: Int = 0, to: [Int], toStart: Int = 0
  ) throws -> Launch {
    let walk = try Walk(extents, [from, to])
    let count = extents.reduce(1, *)
    return Launch(
      KernelName("layout", "move_elements", ["-DT=\(result.elementType.bitsType)", walk.option]),
      [
        input(operand), output, .eight(walk.extents), .eight(walk.strides[0]), .eight(walk.strides[1]),
        .int(fromStart), .int(toStart), .int(count),
      ], elements: count)
  }

  /// The same elements, one after another.
  func move(from operand: Int) throws -> Work {
    let count = result.shape.elementCount
    return Work([try moveLaunch(operand: operand, [count], from: [1], to: [1])])
  }

  func broadcast() throws -> Work {
    let walk = try Walk(result: result.shape, operands: [shape(0), result.shape])
    return Work([try moveLaunch(operand: 0, walk.extents, from: walk.strides[0], to: walk.strides[1])])
  }

  func transpose(_ operation: Transpose) throws -> Work {
    let strides = shape(0).strides
    return Work([
      try moveLaunch(
        operand: 0, result.shape.extents, from: operation.permutation.map { strides[$0] }, to: result.shape.strides)
    ])
  }

  func slice(_ operation: Slice) throws -> Work {
    let strides = shape(0).strides
    return Work([
      try moveLaunch(
        operand: 0, operation.sizes, from: zip(strides, operation.strides).map(*),
        fromStart: zip(strides, operation.starts).map(*).reduce(0, +), to: result.shape.strides)
    ])
  }

  func sliceBackward(_ operation: SliceBackward) throws -> Work {
    let strides = result.shape.strides
    return Work([
      fillLaunch(with: 0),
      try moveLaunch(
        operand: 0, shape(0).extents, from: shape(0).strides, to: zip(strides, operation.strides).map(*),
        toStart: zip(strides, operation.starts).map(*).reduce(0, +)),
    ])
  }

  func concatenate(_ operation: Concatenate) throws -> Work {
    var start = 0
    let strides = result.shape.strides
    return Work(
      try types.indices.map { operand in
        defer { start += shape(operand)[operation.axis] * strides[operation.axis] }
        return try moveLaunch(
          operand: operand, shape(operand).extents, from: shape(operand).strides, to: strides, toStart: start)
      })
  }

  func pad(_ operation: Pad) throws -> Work {
    let strides = result.shape.strides
    return Work([
      fillLaunch(with: operation.value),
      try moveLaunch(
        operand: 0, shape(0).extents, from: shape(0).strides, to: strides,
        toStart: zip(strides, operation.low).map(*).reduce(0, +)),
    ])
  }

  func reverse(_ operation: Reverse) throws -> Work {
    let (extents, strides) = (result.shape.extents, result.shape.strides)
    var from = strides
    from[operation.axis] = -strides[operation.axis]
    return Work([
      try moveLaunch(
        operand: 0, extents, from: from, fromStart: (extents[operation.axis] - 1) * strides[operation.axis],
        to: strides)
    ])
  }
}

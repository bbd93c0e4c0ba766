import SwitchbackCPUKernels
import SwitchbackPrograms

#if canImport(Glibc)
  import Glibc
#endif

extension UnaryFunction {
  /// The number that the C kernels know it by.
  fileprivate var code: Int32? {
    let codes: [UnaryFunction: Int] = [
      .identity: SB_IDENTITY, .negate: SB_NEGATE, .absolute: SB_ABSOLUTE, .exp: SB_EXP, .log: SB_LOG, .sqrt: SB_SQRT,
      .rsqrt: SB_RSQRT, .square: SB_SQUARE, .reciprocal: SB_RECIPROCAL, .sign: SB_SIGN, .floor: SB_FLOOR,
      .relu: SB_RELU, .leakyRelu: SB_LEAKY_RELU, .elu: SB_ELU, .selu: SB_SELU, .gelu: SB_GELU,
      .geluTanh: SB_GELU_TANH, .swish: SB_SWISH, .sigmoid: SB_SIGMOID, .hardSigmoid: SB_HARD_SIGMOID, .tanh: SB_TANH,
      .softplus: SB_SOFTPLUS,
    ]
    return codes[self].map { Int32($0) }
  }
}

extension KernelMaker {
  func unary(_ operation: Unary) throws -> Kernel {
    guard let code = operation.function.code else {
      throw Declined(reason: "\(operation.function.rawValue) is not implemented here")
    }
    let (x, y, size, alpha) = (input(0), output, rowSize(type(0)), Float(operation.alpha))
    let unary = library.kernels.pointee.unary!
    return Kernel(access: [.rows], rows: rowCount(type(0))) { frame in
      unary(code, alpha, Int64(frame.rows * size), frame.floats(x), frame.floats(y))
    }
  }

  func unaryBackward(_ operation: UnaryBackward) throws -> Kernel {
    guard let code = operation.function.code else {
      throw Declined(reason: "\(operation.function.rawValue) is not implemented here")
    }
    let (v, dy, dx, size, alpha) = (input(0), input(1), output, rowSize(type(0)), Float(operation.alpha))
    let backward = library.kernels.pointee.unary_backward!
    return Kernel(access: [.rows, .rows], rows: rowCount(type(0))) { frame in
      backward(code, alpha, Int64(frame.rows * size), frame.floats(v), frame.floats(dy), frame.floats(dx))
    }
  }

  func binary(_ operation: Binary) throws -> Kernel {
    let codes: [BinaryFunction: Int] = [
      .add: SB_ADD, .subtract: SB_SUBTRACT, .multiply: SB_MULTIPLY, .divide: SB_DIVIDE, .maximum: SB_MAXIMUM,
      .minimum: SB_MINIMUM,
    ]
    let (a, b, y) = (input(0), input(1), output)
    if operation.function == .equal, type(0).elementType == .int32, type(0) == type(1) {
      let size = rowSize(type(0))
      return Kernel(access: [.rows, .rows], rows: rowCount(type(0))) { frame in
        let left = frame.pointers[a].assumingMemoryBound(to: Int32.self)
        let right = frame.pointers[b].assumingMemoryBound(to: Int32.self)
        let result = frame.pointers[y].assumingMemoryBound(to: UInt8.self)
        for e in 0..<frame.rows * size { result[e] = left[e] == right[e] ? 1 : 0 }
      }
    }
    guard let found = codes[operation.function], type(0).elementType == .float32 else {
      throw Declined(reason: "\(operation.function.rawValue) of \(type(0)) is not implemented here")
    }
    let (code, kernels) = (Int32(found), library.kernels)
    if type(0).shape == type(1).shape {
      let size = rowSize(type(0))
      return Kernel(access: [.rows, .rows], rows: rowCount(type(0))) { frame in
        kernels.pointee.binary(
          code, Int64(frame.rows * size), frame.floats(a), 1, frame.floats(b), 1, frame.floats(y))
      }
    }
    // A scalar on either side, or a row of the last axis on the right.
    for scalar in 0...1
    where type(scalar).shape.elementCount == 1 && type(scalar).shape.rank <= type(1 - scalar).shape.rank {
      let other = type(1 - scalar)
      let size = rowSize(other)
      let strides: (Int32, Int32) = scalar == 0 ? (0, 1) : (1, 0)
      return Kernel(access: scalar == 0 ? [.whole, .rows] : [.rows, .whole], rows: rowCount(other)) { frame in
        kernels.pointee.binary(
          code, Int64(frame.rows * size), frame.floats(a), strides.0, frame.floats(b), strides.1, frame.floats(y))
      }
    }
    let columns = type(1).shape.elementCount
    guard type(1).shape.extents.suffix(1) == type(0).shape.extents.suffix(1), type(0).shape.rank >= 2,
      columns == type(1).shape.extents.last
    else {
      throw Declined(reason: "\(operation.function.rawValue) of \(type(0)) and \(type(1)) is not implemented here")
    }
    let lines = rowSize(type(0)) / max(columns, 1)
    return Kernel(access: [.rows, .whole], rows: rowCount(type(0))) { frame in
      kernels.pointee.binary_row(
        code, Int64(frame.rows * lines), Int64(columns), frame.floats(a), frame.floats(b), frame.floats(y))
    }
  }

  func fill(_ operation: Fill) throws -> Kernel {
    guard operation.elementType == .float32 else { throw Declined(reason: "only f32 is filled here") }
    let (y, value, count) = (output, Float(operation.value), operation.shape.reduce(1, *))
    return Kernel(access: nil, rows: 1) { frame in frame.floats(y).update(repeating: value, count: count) }
  }

  func cast(_ operation: Cast) throws -> Kernel {
    guard operation.to == .float32, type(0).elementType == .bool else {
      throw Declined(reason: "a cast of \(type(0)) to \(operation.to.rawValue) is not implemented here")
    }
    let (x, y, size) = (input(0), output, rowSize(type(0)))
    return Kernel(access: [.rows], rows: rowCount(type(0))) { frame in
      let from = frame.pointers[x].assumingMemoryBound(to: UInt8.self)
      let to = frame.floats(y)
      for e in 0..<frame.rows * size { to[e] = from[e] != 0 ? 1 : 0 }
    }
  }

  /// The same bytes; divided over rows where the number of rows stays.
  func copy(rowsStay: Bool) -> Kernel {
    let result = segment.values[output].type
    let (x, y) = (input(0), output)
    let isDivisible = rowsStay && rowCount(type(0)) == rowCount(result)
    let rows = isDivisible ? rowCount(type(0)) : 1
    let bytes = rows == 0 ? 0 : type(0).byteCount / rows
    return Kernel(access: isDivisible ? [.rows] : nil, rows: rows) { frame in
      // The planner often gives both the same memory.
      guard frame.pointers[x] != frame.pointers[y] else { return }
      memmove(frame.pointers[y], frame.pointers[x], frame.rows * bytes)
    }
  }

  func copyToState() -> Kernel {
    let (x, y, bytes) = (input(1), output, type(1).byteCount)
    return Kernel(access: nil, rows: 1) { frame in memmove(frame.pointers[y], frame.pointers[x], bytes) }
  }

  func broadcast() throws -> Kernel {
    let result = segment.values[output].type
    guard type(0).shape.elementCount == 1, type(0).elementType == .float32 else {
      throw Declined(reason: "a broadcast of \(type(0)) is not implemented here")
    }
    let (x, y, count) = (input(0), output, result.shape.elementCount)
    return Kernel(access: nil, rows: 1) { frame in
      frame.floats(y).update(repeating: frame.floats(x)[0], count: count)
    }
  }
}

import SwitchbackCPUKernels
import SwitchbackPrograms

extension UnaryFunction {
  /// The number that the C kernels know it by.
  fileprivate var code: Int32? {
    let codes: [UnaryFunction: Int] = [
      .identity: SB_IDENTITY, .negate: SB_NEGATE, .absolute: SB_ABSOLUTE, .exp: SB_EXP, .log: SB_LOG, .sqrt: SB_SQRT,
      .rsqrt: SB_RSQRT, .square: SB_SQUARE, .reciprocal: SB_RECIPROCAL, .sign: SB_SIGN, .floor: SB_FLOOR,
      .relu: SB_RELU, .leakyRelu: SB_LEAKY_RELU, .elu: SB_ELU, .selu: SB_SELU, .gelu: SB_GELU,
      .geluTanh: SB_GELU_TANH, .swish: SB_SWISH, .sigmoid: SB_SIGMOID, .hardSigmoid: SB_HARD_SIGMOID, .tanh: SB_TANH,
      .softplus: SB_SOFTPLUS, .isFinite: SB_IS_FINITE,
    ]
    return codes[self].map { Int32($0) }
  }
}

extension Unary: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) throws -> Kernel { try maker.unary(self) }
}

extension UnaryBackward: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) throws -> Kernel { try maker.unaryBackward(self) }
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
}

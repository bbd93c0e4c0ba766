import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

extension Unary: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) throws -> Kernel { try maker.unary(self) }
}

extension UnaryBackward: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) throws -> Kernel { try maker.unaryBackward(self) }
}

extension KernelMaker {
  /// The number that the C kernels know a function of the table by; they may have been built without it, or have none.
  func number(
    _ word: String, _ numberOf: (UnsafePointer<CChar>) -> Int32, isThere: (Int32) -> Int32
  ) throws(Declined) -> Int32 {
    let number = numberOf(word)
    guard number >= 0, isThere(number) != 0 else { throw Declined(reason: "\(word) is not implemented here") }
    return number
  }

  func unary(_ operation: Unary) throws -> Kernel {
    let (x, y, size, alpha) = (input(0), output, rowSize(type(0)), Float(operation.alpha))
    let unary = library.kernels.pointee.unary!
    let function = try number(operation.function.rawValue, sb_unary_number) { unary($0, 0, 0, nil, nil) }
    return Kernel(access: [.rows], rows: rowCount(type(0))) { frame in
      _ = unary(function, alpha, Int64(frame.rows * size), frame.floats(x), frame.floats(y))
    }
  }

  func unaryBackward(_ operation: UnaryBackward) throws -> Kernel {
    let (v, dy, dx, size, alpha) = (input(0), input(1), output, rowSize(type(0)), Float(operation.alpha))
    let backward = library.kernels.pointee.unary_backward!
    let function = try number(operation.function.rawValue, sb_unary_number) { backward($0, 0, 0, nil, nil, nil) }
    return Kernel(access: [.rows, .rows], rows: rowCount(type(0))) { frame in
      _ = backward(function, alpha, Int64(frame.rows * size), frame.floats(v), frame.floats(dy), frame.floats(dx))
    }
  }
}

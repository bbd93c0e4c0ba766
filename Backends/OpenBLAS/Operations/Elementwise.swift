import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

extension Unary: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.unary(self) }
}

extension UnaryBackward: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.unaryBackward(self) }
}

extension WorkMaker {
  /// The number that the C kernels know a function of the table by; they may have been built without it, or have none.
  func number(
    _ word: String, _ numberOf: (UnsafePointer<CChar>) -> Int32, isThere: (Int32) -> Int32
  ) throws(Declined) -> Int32 {
    let number = numberOf(word)
    guard number >= 0, isThere(number) != 0 else { throw Declined(reason: "\(word) is not implemented here") }
    return number
  }

  func unary(_ operation: Unary) throws -> Work {
    let (x, y, alpha) = (input(0), output, Float(operation.alpha))
    let unary = library.kernels.pointee.unary!
    let function = try number(operation.function.rawValue, sb_unary_number) { unary($0, 0, 0, nil, nil) }
    return work(access: [.rows], rows: type(0).shape.elementCount) { frame in
      _ = unary(function, alpha, Int64(frame.rows), frame.floats(x), frame.floats(y))
    }
  }

  func unaryBackward(_ operation: UnaryBackward) throws -> Work {
    let (v, dy, dx, alpha) = (input(0), input(1), output, Float(operation.alpha))
    let backward = library.kernels.pointee.unary_backward!
    let function = try number(operation.function.rawValue, sb_unary_number) { backward($0, 0, 0, nil, nil, nil) }
    return work(access: [.rows, .rows], rows: type(0).shape.elementCount) { frame in
      _ = backward(function, alpha, Int64(frame.rows), frame.floats(v), frame.floats(dy), frame.floats(dx))
    }
  }
}

import SwitchbackPrograms

extension KernelMaker {
  private func lastAxis(_ axis: Int) throws -> (columns: Int, lines: Int) {
    guard axis == type(0).shape.rank - 1, axis >= 1 else {
      throw Declined(reason: "softmax off the last axis is not implemented here")
    }
    let columns = type(0).shape[axis]
    return (columns, rowSize(type(0)) / max(columns, 1))
  }

  func softmax(_ operation: Softmax) throws -> Kernel {
    let (columns, lines) = try lastAxis(operation.axis)
    let (x, y, kernels) = (input(0), output, library.kernels)
    return Kernel(access: [.rows], rows: rowCount(type(0))) { frame in
      kernels.pointee.softmax(Int64(frame.rows * lines), Int64(columns), frame.floats(x), frame.floats(y))
    }
  }

  func softmaxBackward(_ operation: SoftmaxBackward) throws -> Kernel {
    let (columns, lines) = try lastAxis(operation.axis)
    let (y, dy, dx, kernels) = (input(0), input(1), output, library.kernels)
    return Kernel(access: [.rows, .rows], rows: rowCount(type(0))) { frame in
      kernels.pointee.softmax_backward(
        Int64(frame.rows * lines), Int64(columns), frame.floats(y), frame.floats(dy), frame.floats(dx))
    }
  }

  func crossEntropy() -> Kernel {
    let (x, t, loss, kernels, columns) = (input(0), input(1), output, library.kernels, type(0).shape[1])
    return Kernel(access: [.rows, .rows], rows: rowCount(type(0))) { frame in
      kernels.pointee.cross_entropy(
        Int64(frame.rows), Int64(columns), frame.floats(x), frame.floats(t), frame.floats(loss))
    }
  }

  func crossEntropyBackward() -> Kernel {
    let (x, t, upstream, dx) = (input(0), input(1), input(2), output)
    let (kernels, columns) = (library.kernels, type(0).shape[1])
    return Kernel(access: [.rows, .rows, .rows], rows: rowCount(type(0))) { frame in
      kernels.pointee.cross_entropy_backward(
        Int64(frame.rows), Int64(columns), frame.floats(x), frame.floats(t), frame.floats(upstream), frame.floats(dx))
    }
  }
}

import SwitchbackPrograms

extension Softmax: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel { maker.softmax(self) }
}

extension SoftmaxBackward: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel { maker.softmaxBackward(self) }
}

extension SoftmaxCrossEntropy: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel { maker.crossEntropy() }
}

extension SoftmaxCrossEntropyBackward: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel { maker.crossEntropyBackward() }
}

extension KernelMaker {
  /// A row as [lines, length, inner] with the axis in the middle. Along the first axis rows cannot be divided.
  private func lines(_ axis: Int) -> (access: Kernel.Access?, rows: Int, outer: Int, length: Int, inner: Int) {
    let extents = type(0).shape.extents
    let (length, inner) = (extents[axis], extents[(axis + 1)...].reduce(1, *))
    guard axis > 0 else { return (nil, 1, 1, length, inner) }
    return (.rows, extents[0], extents[1..<axis].reduce(1, *), length, inner)
  }

  func softmax(_ operation: Softmax) -> Kernel {
    let (access, rows, outer, length, inner) = lines(operation.axis)
    let (x, y, kernels) = (input(0), output, library.kernels)
    return Kernel(access: access.map { [$0] }, rows: rows) { frame in
      let lines = Int64(frame.rows * outer)
      if inner == 1 {
        kernels.pointee.softmax(lines, Int64(length), frame.floats(x), frame.floats(y))
      } else {
        kernels.pointee.softmax_along(lines, Int64(length), Int64(inner), frame.floats(x), frame.floats(y))
      }
    }
  }

  func softmaxBackward(_ operation: SoftmaxBackward) -> Kernel {
    let (access, rows, outer, length, inner) = lines(operation.axis)
    let (y, dy, dx, kernels) = (input(0), input(1), output, library.kernels)
    return Kernel(access: access.map { [$0, $0] }, rows: rows) { frame in
      let lines = Int64(frame.rows * outer)
      if inner == 1 {
        kernels.pointee.softmax_backward(lines, Int64(length), frame.floats(y), frame.floats(dy), frame.floats(dx))
      } else {
        kernels.pointee.softmax_along_backward(
          lines, Int64(length), Int64(inner), frame.floats(y), frame.floats(dy), frame.floats(dx))
      }
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

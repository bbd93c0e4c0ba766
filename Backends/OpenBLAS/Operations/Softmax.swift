import SwitchbackPrograms

extension Softmax: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.softmax(self) }
}

extension SoftmaxBackward: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.softmaxBackward(self) }
}

extension SoftmaxCrossEntropy: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.crossEntropy() }
}

extension SoftmaxCrossEntropyBackward: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.crossEntropyBackward() }
}

extension WorkMaker {
  /// A row is [length, inner] with the axis first. Along the first axis there is one.
  private func lines(_ axis: Int) -> (rows: Int, length: Int, inner: Int) {
    let extents = type(0).shape.extents
    return (extents[..<axis].reduce(1, *), extents[axis], extents[(axis + 1)...].reduce(1, *))
  }

  func softmax(_ operation: Softmax) -> Work {
    let (rows, length, inner) = lines(operation.axis)
    let (x, y, kernels) = (input(0), output, library.kernels)
    return work(access: [.rows], rows: rows) { frame in
      let lines = Int64(frame.rows)
      if inner == 1 {
        kernels.pointee.softmax(lines, Int64(length), frame.floats(x), frame.floats(y))
      } else {
        kernels.pointee.softmax_along(lines, Int64(length), Int64(inner), frame.floats(x), frame.floats(y))
      }
    }
  }

  func softmaxBackward(_ operation: SoftmaxBackward) -> Work {
    let (rows, length, inner) = lines(operation.axis)
    let (y, dy, dx, kernels) = (input(0), input(1), output, library.kernels)
    return work(access: [.rows, .rows], rows: rows) { frame in
      let lines = Int64(frame.rows)
      if inner == 1 {
        kernels.pointee.softmax_backward(lines, Int64(length), frame.floats(y), frame.floats(dy), frame.floats(dx))
      } else {
        kernels.pointee.softmax_along_backward(
          lines, Int64(length), Int64(inner), frame.floats(y), frame.floats(dy), frame.floats(dx))
      }
    }
  }

  func crossEntropy() -> Work {
    let (x, t, loss, kernels, columns) = (input(0), input(1), output, library.kernels, type(0).shape[1])
    return work(access: [.rows, .rows], rows: rowCount(type(0))) { frame in
      kernels.pointee.cross_entropy(
        Int64(frame.rows), Int64(columns), frame.floats(x), frame.floats(t), frame.floats(loss))
    }
  }

  func crossEntropyBackward() -> Work {
    let (x, t, upstream, dx) = (input(0), input(1), input(2), output)
    let (kernels, columns) = (library.kernels, type(0).shape[1])
    return work(access: [.rows, .rows, .rows], rows: rowCount(type(0))) { frame in
      kernels.pointee.cross_entropy_backward(
        Int64(frame.rows), Int64(columns), frame.floats(x), frame.floats(t), frame.floats(upstream), frame.floats(dx))
    }
  }
}

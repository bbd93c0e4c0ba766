import SwitchbackPrograms

extension KernelMaker {
  func reduce(_ operation: Reduce) throws -> Kernel {
    let (x, y, shape, kernels) = (input(0), output, type(0).shape, library.kernels)
    let axes = operation.axes
    let count = operation.count(type(0))
    guard operation.function == .sum || operation.function == .mean || operation.function == .sumSquares else {
      throw Declined(reason: "reduce with \(operation.function.rawValue) is not implemented here")
    }
    let scale = operation.function == .mean ? 1 / Float(count) : 1
    let isPrefix = axes == Array(0..<axes.count)
    if operation.function != .sumSquares, isPrefix, !axes.isEmpty, shape.rank > 0 {
      let columns = shape.extents.dropFirst(axes.count).reduce(1, *)
      let lines = shape.extents[1..<max(axes.count, 1)].reduce(1, *)
      return Kernel(access: [.rows], rows: shape[0], reduction: .sum(count: columns, scale: scale)) { frame in
        kernels.pointee.sum_rows(Int64(frame.rows * lines), Int64(columns), frame.floats(x), frame.floats(y))
      }
    }
    // The last axes, or all of them: one number a line.
    let first = axes.first ?? shape.rank
    guard axes == Array(first..<shape.rank) else {
      throw Declined(reason: "reduce over axes \(axes) of \(type(0)) is not implemented here")
    }
    let isSquared = operation.function == .sumSquares
    let rows = first == 0 ? 1 : shape[0]
    let lines = first == 0 ? 1 : shape.extents[1..<first].reduce(1, *)
    return Kernel(access: first == 0 ? nil : [.rows], rows: rows) { frame in
      let (from, to) = (frame.floats(x), frame.floats(y))
      for line in 0..<frame.rows * lines {
        let start = from + line * count
        let sum =
          isSquared ? kernels.pointee.sum_squares(Int64(count), start) : kernels.pointee.sum(Int64(count), start)
        to[line] = Float(sum) * scale
      }
    }
  }

  func argMax(_ operation: ArgMax) throws -> Kernel {
    guard operation.axis == type(0).shape.rank - 1, operation.axis >= 1 else {
      throw Declined(reason: "argmax off the last axis is not implemented here")
    }
    let (x, y, kernels, columns) = (input(0), output, library.kernels, type(0).shape[operation.axis])
    let lines = rowSize(type(0)) / max(columns, 1)
    return Kernel(access: [.rows], rows: rowCount(type(0))) { frame in
      kernels.pointee.argmax(
        Int64(frame.rows * lines), Int64(columns), frame.floats(x),
        frame.pointers[y].assumingMemoryBound(to: Int32.self))
    }
  }
}

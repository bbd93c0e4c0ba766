import SwitchbackCPUKernels
import SwitchbackPrograms

extension Reduce: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) throws -> Kernel { try maker.reduce(self) }
}

extension ArgMax: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel { maker.argMax(self) }
}

extension KernelMaker {
  func reduce(_ operation: Reduce) throws -> Kernel {
    let (x, y, shape, kernels) = (input(0), output, type(0).shape, library.kernels)
    let axes = operation.axes
    let count = operation.count(type(0))
    let isSum = operation.function == .sum || operation.function == .mean
    let scale = operation.function == .mean ? 1 / Float(count) : 1
    let isPrefix = axes == Array(0..<axes.count)
    if isSum, isPrefix, !axes.isEmpty, shape.rank > 0 {
      let columns = shape.extents.dropFirst(axes.count).reduce(1, *)
      let lines = shape.extents[1..<max(axes.count, 1)].reduce(1, *)
      return Kernel(access: [.rows], rows: shape[0], reduction: .sum(count: columns, scale: scale)) { frame in
        kernels.pointee.sum_rows(Int64(frame.rows * lines), Int64(columns), frame.floats(x), frame.floats(y))
      }
    }
    let first = axes.first ?? shape.rank
    let isSuffix = axes == Array(first..<shape.rank)
    guard isSuffix, isSum || operation.function == .sumSquares else { return try fold(operation) }
    // The last axes, or all of them: one number a line.
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

  /// Any function over any axes, line by line of the operand. Sums over rows go to slots; other functions over the
  /// first axis are not divided.
  private func fold(_ operation: Reduce) throws -> Kernel {
    let (x, y, shape, kernels) = (input(0), output, type(0).shape, library.kernels)
    let function = operation.function
    let isSum = function == .sum || function == .mean
    let kept = Shape(shape.extents.enumerated().map { operation.axes.contains($0.offset) ? 1 : $0.element })
    let target = zip(kept.strides, shape.extents.indices).map { operation.axes.contains($0.1) ? 0 : $0.0 }
    let overRows = operation.axes.first == 0
    let isDivided = shape.rank > 0 && (!overRows || isSum)
    let start = isDivided ? 1 : 0
    let lines = try Lines(Array(shape.extents[start...]), [Array(target[start...]), Array(shape.strides[start...])])
    let (count, stride) = (Int64(lines.count), lines.strides[0])
    let rowStrides = isDivided ? SIMD4(target[0], shape.strides[0], 0, 0) : .zero
    let results = kept.elementCount
    // What a row of the operand becomes: a row of the result, or a part of all of it.
    let ownResults = isDivided && !overRows ? results / max(shape[0], 1) : results
    let scale = function == .mean ? 1 / Float(operation.count(type(0))) : 1
    let sign: Int32 = function == .max ? 1 : -1
    let isSlot = isDivided && overRows
    let reduction: Kernel.Reduction? = isSlot ? .sum(count: results, scale: scale) : nil
    let initial: Float = function == .max ? -.infinity : function == .min ? .infinity : 0
    return Kernel(access: isDivided ? [.rows] : nil, rows: isDivided ? shape[0] : 1, reduction: reduction) { frame in
      let (from, to) = (frame.floats(x), frame.floats(y))
      let made = isDivided ? frame.rows * ownResults : results
      if !isSlot { to.update(repeating: initial, count: made) }
      for row in 0..<frame.rows {
        lines.forEach(from: rowStrides &* row) { at in
          let (result, line) = (to + at[0], from + at[1])
          switch (function, stride) {
          case (.sum, 0), (.mean, 0): result[0] += Float(kernels.pointee.sum(count, line))
          case (.sum, _), (.mean, _): kernels.pointee.sum_rows(1, count, line, result)
          case (.sumSquares, 0): result[0] += Float(kernels.pointee.sum_squares(count, line))
          case (.sumSquares, _): kernels.pointee.add_squares(count, line, result)
          case (_, 0): result[0] = kernels.pointee.extreme(sign, result[0], count, line)
          default: kernels.pointee.extremes(sign, count, line, result)
          }
        }
      }
      if !isSlot, scale != 1 { for e in 0..<made { to[e] *= scale } }
    }
  }

  func argMax(_ operation: ArgMax) -> Kernel {
    let (x, y, kernels, axis) = (input(0), output, library.kernels, operation.axis)
    let extents = type(0).shape.extents
    let (length, inner) = (extents[axis], extents[(axis + 1)...].reduce(1, *))
    // Along the first axis rows cannot be divided.
    let outer = axis == 0 ? 1 : extents[1..<axis].reduce(1, *)
    return Kernel(access: axis == 0 ? nil : [.rows], rows: axis == 0 ? 1 : extents[0]) { frame in
      let indices = frame.pointers[y].assumingMemoryBound(to: Int32.self)
      let lines = Int64(frame.rows * outer)
      if inner == 1 {
        kernels.pointee.argmax(lines, Int64(length), frame.floats(x), indices)
      } else {
        kernels.pointee.argmax_along(lines, Int64(length), Int64(inner), frame.floats(x), indices)
      }
    }
  }
}

import SwitchbackCPUKernels
import SwitchbackPrograms

extension Reduce: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.reduce(self) }
}

extension ArgMax: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.argMax(self) }
}

extension WorkMaker {
  func reduce(_ operation: Reduce) throws -> Work {
    let (x, y, shape, kernels) = (input(0), output, type(0).shape, library.kernels)
    let axes = operation.axes
    let count = operation.count(type(0))
    let isSum = operation.function == .sum || operation.function == .mean
    let scale = operation.function == .mean ? 1 / Float(count) : 1
    let isSquared = operation.function == .sumSquares
    if isSum || isSquared, axes.count == shape.rank {
      // One number of all elements.
      return work(access: [.rows], rows: shape.elementCount, sum: .double(scale: scale)) { frame in
        let (from, part) = (frame.floats(x), frame.pointers[y].assumingMemoryBound(to: Double.self))
        part.pointee +=
          isSquared
          ? kernels.pointee.sum_squares(Int64(frame.rows), from) : kernels.pointee.sum(Int64(frame.rows), from)
      }
    }
    if isSum, !axes.isEmpty, axes == Array(0..<axes.count) {
      let columns = shape.extents[axes.count...].reduce(1, *)
      let rows = shape.extents[..<axes.count].reduce(1, *)
      // Sums of some rows are added up, so that rounding grows with their length and their number, not with all rows.
      let length = 32
      return work(
        access: [.rows], rows: rows, sum: .sum(count: columns, scale: scale), scratch: { _ in columns * 4 }
      ) { frame in
        let part = frame.scratch.assumingMemoryBound(to: Float.self)
        for first in stride(from: 0, to: frame.rows, by: length) {
          part.update(repeating: 0, count: columns)
          let count = min(length, frame.rows - first)
          kernels.pointee.sum_rows(Int64(count), Int64(columns), frame.floats(x) + first * columns, part)
          kernels.pointee.sum_rows(1, Int64(columns), part, frame.floats(y))
        }
      }
    }
    let first = axes.first ?? shape.rank
    guard axes == Array(first..<shape.rank), isSum || isSquared else { return try fold(operation) }
    // The last axes: one number a line.
    return work(access: [.rows], rows: shape.extents[..<first].reduce(1, *)) { frame in
      let (from, to) = (frame.floats(x), frame.floats(y))
      for line in 0..<frame.rows {
        let start = from + line * count
        let sum =
          isSquared ? kernels.pointee.sum_squares(Int64(count), start) : kernels.pointee.sum(Int64(count), start)
        to[line] = Float(sum) * scale
      }
    }
  }

  /// Any function over any axes, line by line of the operand. Sums over rows are partial sums; other functions over the
  /// first axis are not divided.
  private func fold(_ operation: Reduce) throws -> Work {
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
    let isPart = isDivided && overRows
    let sum: Work.Reduction? = isPart ? .sum(count: results, scale: scale) : nil
    let initial: Float = function == .max ? -.infinity : function == .min ? .infinity : 0
    return work(access: isDivided ? [.rows] : nil, rows: isDivided ? shape[0] : 1, sum: sum) { frame in
      let (from, to) = (frame.floats(x), frame.floats(y))
      let made = isDivided ? frame.rows * ownResults : results
      if !isPart { to.update(repeating: initial, count: made) }
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
      if !isPart, scale != 1 { for e in 0..<made { to[e] *= scale } }
    }
  }

  func argMax(_ operation: ArgMax) -> Work {
    let (x, y, kernels, axis) = (input(0), output, library.kernels, operation.axis)
    let extents = type(0).shape.extents
    let (length, inner) = (extents[axis], extents[(axis + 1)...].reduce(1, *))
    // A row is [length, inner]; along the first axis there is one.
    return work(access: [.rows], rows: extents[..<axis].reduce(1, *)) { frame in
      let indices = frame.pointers[y].assumingMemoryBound(to: Int32.self)
      let lines = Int64(frame.rows)
      if inner == 1 {
        kernels.pointee.argmax(lines, Int64(length), frame.floats(x), indices)
      } else {
        kernels.pointee.argmax_along(lines, Int64(length), Int64(inner), frame.floats(x), indices)
      }
    }
  }
}

import SwitchbackCPUKernels
import SwitchbackPrograms

#if canImport(Glibc)
  import Glibc
#endif

// An index outside its axis is kept as the frame's fault and writes nothing; the run then ends with an error.

extension Gather: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel { maker.gather(self) }
}

extension ScatterAdd: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel { maker.scatterAdd(self) }
}

extension OneHot: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel { maker.oneHot(self) }
}

extension KernelMaker {
  func oneHot(_ operation: OneHot) -> Kernel {
    let (labels, y, classes) = (input(0), output, operation.classes)
    let size = rowSize(type(0))
    let bound = Kernel.Bound(count: classes, what: "classes")
    return Kernel(access: [.rows], rows: rowCount(type(0)), bound: bound) { frame in
      let indices = frame.pointers[labels].assumingMemoryBound(to: Int32.self)
      let result = frame.floats(y)
      result.update(repeating: 0, count: frame.rows * size * classes)
      for e in 0..<frame.rows * size
      where frame.contains(indices[e], below: classes, at: frame.firstRow * size + e) {
        result[e * classes + Int(indices[e])] = 1
      }
    }
  }

  func gather(_ operation: Gather) -> Kernel {
    let (x, indices, y) = (input(0), input(1), output)
    let extents = type(0).shape.extents
    let (axis, length) = (operation.axis, type(0).shape[operation.axis])
    let block = extents[(axis + 1)...].reduce(type(0).elementType.byteCount, *)
    let bound = Kernel.Bound(count: length, what: "slices")
    if axis == 0 {
      // Rows of the result are rows of the indices.
      let size = rowSize(type(1))
      return Kernel(access: [.whole, .rows], rows: rowCount(type(1)), bound: bound) { frame in
        let (from, to) = (frame.pointers[x], frame.pointers[y])
        let index = frame.pointers[indices].assumingMemoryBound(to: Int32.self)
        for e in 0..<frame.rows * size
        where frame.contains(index[e], below: length, at: frame.firstRow * size + e) {
          memcpy(to + e * block, from + Int(index[e]) * block, block)
        }
      }
    }
    let (count, lines) = (type(1).shape.elementCount, extents[1..<axis].reduce(1, *))
    return Kernel(access: [.rows, .whole], rows: extents[0], bound: bound) { frame in
      let (from, to) = (frame.pointers[x], frame.pointers[y])
      let index = frame.pointers[indices].assumingMemoryBound(to: Int32.self)
      for line in 0..<frame.rows * lines {
        for e in 0..<count where frame.contains(index[e], below: length, at: e) {
          memcpy(to + (line * count + e) * block, from + (line * length + Int(index[e])) * block, block)
        }
      }
    }
  }

  /// Along the first axis rows of the result are written in the order of the indices, so it is not divided.
  func scatterAdd(_ operation: ScatterAdd) -> Kernel {
    let (x, indices, updates, y) = (input(0), input(1), input(2), output)
    let extents = type(0).shape.extents
    let (axis, length) = (operation.axis, type(0).shape[operation.axis])
    let block = extents[(axis + 1)...].reduce(1, *)
    let count = type(1).shape.elementCount
    let isDivided = axis > 0
    let lines = isDivided ? extents[1..<axis].reduce(1, *) : 1
    let kernels = library.kernels
    return Kernel(
      access: isDivided ? [.rows, .whole, .rows] : nil, rows: isDivided ? extents[0] : 1,
      bound: Kernel.Bound(count: length, what: "slices")
    ) { frame in
      let (start, added, result) = (frame.floats(x), frame.floats(updates), frame.floats(y))
      let index = frame.pointers[indices].assumingMemoryBound(to: Int32.self)
      if start != result { memcpy(result, start, frame.rows * lines * length * block * 4) }
      for line in 0..<frame.rows * lines {
        for e in 0..<count where frame.contains(index[e], below: length, at: e) {
          kernels.pointee.sum_rows(
            1, Int64(block), added + (line * count + e) * block, result + (line * length + Int(index[e])) * block)
        }
      }
    }
  }
}

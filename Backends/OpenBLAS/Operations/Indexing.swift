import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

#if canImport(Glibc)
  import Glibc
#endif

// An index outside its axis is kept as the frame's fault and writes nothing; the run then ends with an error.

extension Gather: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.gather(self) }
}

extension ScatterAdd: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.scatterAdd(self) }
}

extension OneHot: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.oneHot(self) }
}

extension SequenceMask: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.sequenceMask(self) }
}

extension WorkMaker {
  func oneHot(_ operation: OneHot) -> Work {
    let (labels, y, classes) = (input(0), output, operation.classes)
    let bound = Work.Bound(count: classes, what: "classes")
    return work(access: [.rows], rows: type(0).shape.elementCount, bound: bound) { frame in
      let indices = frame.pointers[labels].assumingMemoryBound(to: Int32.self)
      let result = frame.floats(y)
      result.update(repeating: 0, count: frame.rows * classes)
      for e in 0..<frame.rows
      where frame.contains(indices[e], below: classes, at: frame.firstRow + e) {
        result[e * classes + Int(indices[e])] = 1
      }
    }
  }

  func sequenceMask(_ operation: SequenceMask) throws -> Work {
    switch operation.elementType {
    case .float32: mask(operation.steps, Float.self)
    case .bool: mask(operation.steps, UInt8.self)
    default: throw Declined(reason: "a mask of \(operation.elementType.rawValue) is not implemented here")
    }
  }

  @inline(__always)
  private func mask<T: Numeric>(_ steps: Int, _ type: T.Type) -> Work {
    let (lengths, y) = (input(0), output)
    let bound = Work.Bound(count: steps + 1, what: "lengths")
    return work(access: [.rows], rows: self.type(0).shape.elementCount, bound: bound) { frame in
      let length = frame.pointers[lengths].assumingMemoryBound(to: Int32.self)
      let result = frame.pointers[y].assumingMemoryBound(to: type)
      for n in 0..<frame.rows
      where frame.contains(length[n], below: steps + 1, at: frame.firstRow + n) {
        let valid = Int(length[n])
        (result + n * steps).update(repeating: 1, count: valid)
        (result + n * steps + valid).update(repeating: 0, count: steps - valid)
      }
    }
  }

  func gather(_ operation: Gather) -> Work {
    let (x, indices, y) = (input(0), input(1), output)
    let extents = type(0).shape.extents
    let (axis, length) = (operation.axis, type(0).shape[operation.axis])
    let block = extents[(axis + 1)...].reduce(type(0).elementType.byteCount, *)
    let bound = Work.Bound(count: length, what: "slices")
    if axis == 0 {
      // A row is one index.
      return work(access: [.whole, .rows], rows: type(1).shape.elementCount, bound: bound) { frame in
        let (from, to) = (frame.pointers[x], frame.pointers[y])
        let index = frame.pointers[indices].assumingMemoryBound(to: Int32.self)
        for e in 0..<frame.rows
        where frame.contains(index[e], below: length, at: frame.firstRow + e) {
          memcpy(to + e * block, from + Int(index[e]) * block, block)
        }
      }
    }
    let count = type(1).shape.elementCount
    return work(access: [.rows, .whole], rows: extents[..<axis].reduce(1, *), bound: bound) { frame in
      let (from, to) = (frame.pointers[x], frame.pointers[y])
      let index = frame.pointers[indices].assumingMemoryBound(to: Int32.self)
      for line in 0..<frame.rows {
        for e in 0..<count where frame.contains(index[e], below: length, at: e) {
          memcpy(to + (line * count + e) * block, from + (line * length + Int(index[e])) * block, block)
        }
      }
    }
  }

  func scatterAdd(_ operation: ScatterAdd) -> Work {
    let (axis, length) = (operation.axis, type(0).shape[operation.axis])
    return axis == 0 ? addSlices(length) : addWithinRows(axis, length)
  }

  /// Along the first axis any row of the result may be met by any index, in the order of the indices: what is divided is
  /// the slices, into ranges of columns.
  private func addSlices(_ length: Int) -> Work {
    let (x, indices, updates, y, kernels) = (input(0), input(1), input(2), output, library.kernels)
    let (block, count) = (type(0).shape.extents[1...].reduce(1, *), type(1).shape.elementCount)
    let range = 64
    var slices = work(
      access: [.whole, .whole, .whole], rows: (block + range - 1) / range, isSource: true,
      bound: Work.Bound(count: length, what: "slices")
    ) { frame in
      let first = frame.firstRow * range
      let columns = min(block - first, frame.rows * range)
      let (start, added, result) = (frame.floats(x) + first, frame.floats(updates) + first, frame.floats(y) + first)
      let index = frame.pointers[indices].assumingMemoryBound(to: Int32.self)
      if start != result {
        for slice in 0..<length { memcpy(result + slice * block, start + slice * block, columns * 4) }
      }
      for e in 0..<count where frame.contains(index[e], below: length, at: e) {
        kernels.pointee.sum_rows(1, Int64(columns), added + e * block, result + Int(index[e]) * block)
      }
    }
    slices.results[0].form = .tiles
    return slices
  }

  private func addWithinRows(_ axis: Int, _ length: Int) -> Work {
    let (x, indices, updates, y, kernels) = (input(0), input(1), input(2), output, library.kernels)
    let extents = type(0).shape.extents
    let (block, count) = (extents[(axis + 1)...].reduce(1, *), type(1).shape.elementCount)
    return work(
      access: [.rows, .whole, .rows], rows: extents[..<axis].reduce(1, *),
      bound: Work.Bound(count: length, what: "slices")
    ) { frame in
      let (start, added, result) = (frame.floats(x), frame.floats(updates), frame.floats(y))
      let index = frame.pointers[indices].assumingMemoryBound(to: Int32.self)
      if start != result { memcpy(result, start, frame.rows * length * block * 4) }
      for line in 0..<frame.rows {
        for e in 0..<count where frame.contains(index[e], below: length, at: e) {
          kernels.pointee.sum_rows(
            1, Int64(block), added + (line * count + e) * block, result + (line * length + Int(index[e])) * block)
        }
      }
    }
  }
}

import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

#if canImport(Glibc)
  import Glibc
#endif

/// A box of elements that goes from one tensor to another: extents, strides and starts in elements.
private struct Move {
  var operand: Int
  var extents: [Int]
  var from: [Int]
  var to: [Int]
  var fromStart = 0
  var toStart = 0
}

extension Reshape: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.copy() }
}

extension Broadcast: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.broadcast() }
}

extension Transpose: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.transpose(self) }
}

extension Slice: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.slice(self) }
}

extension SliceBackward: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.sliceBackward(self) }
}

extension Concatenate: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.concatenate(self) }
}

extension Pad: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.pad(self) }
}

extension Reverse: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.reverse(self) }
}

extension Fill: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.fill(self) }
}

extension Assign: OpenBLASOperation {
  func work(_ maker: WorkMaker) -> Work { maker.copyToState() }
}

extension WorkMaker {
  /// `divided`: row r of the result is made of rows r of the operands, so that the first axis counts rows.
  /// `value`: the bits of what lies around the boxes.
  private func move(_ moves: [Move], divided: Bool, isSource: Bool = false, around value: UInt64? = nil) throws
    -> Work
  {
    let result = segment.values[output].type
    let (y, bytes, kernels) = (output, result.elementType.byteCount, library.kernels)
    let isDivided = (divided || isSource) && result.shape.rank > 0
    let parts = try moves.map { move in
      let first = isDivided ? 1 : 0
      return (
        operand: move.operand,
        lines: try Lines(
          Array(move.extents[first...]), [Array(move.to[first...]), Array(move.from[first...])]),
        rowStrides: isDivided ? SIMD4(move.to[0], move.from[0], 0, 0) : .zero,
        start: SIMD4(move.toStart, move.fromStart, 0, 0)
      )
    }
    let rows = isDivided ? result.shape[0] : 1
    let rowCount = rows == 0 ? 0 : result.shape.elementCount / rows
    return work(
      access: isDivided ? moves.map { _ in isSource ? .whole : .rows } : nil, rows: rows, isSource: isSource
    ) { frame in
      let to = frame.pointers[y]
      if let value { fillBits(to, frame.rows * rowCount, value, byteCount: bytes) }
      for part in parts {
        let from = frame.pointers[part.operand]
        let (count, toStride, fromStride) = (part.lines.count, part.lines.strides[0], part.lines.strides[1])
        for row in 0..<frame.rows {
          part.lines.forEach(from: part.start &+ part.rowStrides &* row) { at in
            kernels.pointee.move(
              Int32(bytes), Int64(count), from + at[1] * bytes, Int64(fromStride), to + at[0] * bytes, Int64(toStride))
          }
        }
      }
    }
  }

  func transpose(_ operation: Transpose) throws -> Work {
    let (x, y) = (type(0).shape, segment.values[output].type.shape)
    return try move(
      [
        Move(
          operand: input(0), extents: y.extents, from: operation.permutation.map { x.strides[$0] }, to: y.strides)
      ], divided: operation.permutation.first == 0)
  }

  func broadcast() throws -> Work {
    let (x, y) = (type(0).shape, segment.values[output].type.shape)
    // Rows of what is stretched along the first axis are all the same.
    let isSame = x.rank == y.rank && x.extents.first == y.extents.first
    return try move(
      [Move(operand: input(0), extents: y.extents, from: x.strides(stretchedTo: y), to: y.strides)], divided: isSame,
      isSource: !isSame)
  }

  func slice(_ operation: Slice) throws -> Work {
    let (x, y) = (type(0).shape, segment.values[output].type.shape)
    let isWhole = operation.starts.first == 0 && operation.strides.first == 1 && x.extents.first == y.extents.first
    return try move(
      [
        Move(
          operand: input(0), extents: y.extents, from: zip(x.strides, operation.strides).map { $0 * $1 },
          to: y.strides, fromStart: zip(operation.starts, x.strides).reduce(0) { $0 + $1.0 * $1.1 })
      ], divided: isWhole)
  }

  func sliceBackward(_ operation: SliceBackward) throws -> Work {
    let (dy, dx) = (type(0).shape, segment.values[output].type.shape)
    let isWhole = operation.starts.first == 0 && operation.strides.first == 1 && dx.extents.first == dy.extents.first
    return try move(
      [
        Move(
          operand: input(0), extents: dy.extents, from: dy.strides,
          to: zip(dx.strides, operation.strides).map { $0 * $1 },
          toStart: zip(operation.starts, dx.strides).reduce(0) { $0 + $1.0 * $1.1 })
      ], divided: isWhole, around: 0)
  }

  func concatenate(_ operation: Concatenate) throws -> Work {
    let y = segment.values[output].type.shape
    var start = 0
    let moves = call.inputs.indices.map { index in
      let x = type(index).shape
      defer { start += x[operation.axis] * y.strides[operation.axis] }
      return Move(operand: input(index), extents: x.extents, from: x.strides, to: y.strides, toStart: start)
    }
    return try move(moves, divided: operation.axis > 0)
  }

  func pad(_ operation: Pad) throws -> Work {
    let (x, y) = (type(0).shape, segment.values[output].type.shape)
    let value = try bits(of: operation.value, as: type(0).elementType)
    return try move(
      [
        Move(
          operand: input(0), extents: x.extents, from: x.strides, to: y.strides,
          toStart: zip(operation.low, y.strides).reduce(0) { $0 + $1.0 * $1.1 })
      ], divided: operation.low.first == 0 && operation.high.first == 0, around: value)
  }

  func reverse(_ operation: Reverse) throws -> Work {
    let x = type(0).shape
    var from = x.strides
    let last = (x[operation.axis] - 1) * from[operation.axis]
    from[operation.axis] = -from[operation.axis]
    // Along the first axis rows of the result come from the other end.
    return try move(
      [Move(operand: input(0), extents: x.extents, from: from, to: x.strides, fromStart: last)],
      divided: operation.axis > 0)
  }

  func fill(_ operation: Fill) throws -> Work {
    let (y, bytes) = (output, operation.elementType.byteCount)
    let value = try bits(of: operation.value, as: operation.elementType)
    return work(access: [], rows: operation.shape.reduce(1, *), isSource: true) { frame in
      fillBits(frame.pointers[y], frame.rows, value, byteCount: bytes)
    }
  }

  private func bits(of value: Double, as type: ElementType) throws -> UInt64 {
    if type == .float32 { return UInt64(Float(value).bitPattern) }
    if type == .bool { return value != 0 ? 1 : 0 }
    guard let whole = Int64(exactly: value.rounded(.towardZero)) else {
      throw Declined(reason: "\(value) is no \(type.rawValue)")
    }
    switch type {
    case .int32: return UInt64(UInt32(bitPattern: Int32(clamping: whole)))
    case .int64: return UInt64(bitPattern: whole)
    case .uint8: return UInt64(UInt8(clamping: whole))
    default: throw Declined(reason: "\(type.rawValue) is not filled here")
    }
  }

  /// The same elements in the same order, whatever the shapes.
  func copy() -> Work {
    let (x, y, type) = (input(0), output, type(0))
    let bytes = type.elementType.byteCount
    return work(access: [.rows], rows: type.shape.elementCount) { frame in
      // The planner often gives both the same memory.
      guard frame.pointers[x] != frame.pointers[y] else { return }
      memmove(frame.pointers[y], frame.pointers[x], frame.rows * bytes)
    }
  }

  func copyToState() -> Work {
    let (x, y, type) = (input(1), output, type(1))
    let bytes = type.elementType.byteCount
    return work(access: [.rows, .rows], rows: type.shape.elementCount) { frame in
      memmove(frame.pointers[y], frame.pointers[x], frame.rows * bytes)
    }
  }
}

private func fillBits(_ bytes: UnsafeMutableRawPointer, _ count: Int, _ value: UInt64, byteCount: Int) {
  switch byteCount {
  case 8: bytes.assumingMemoryBound(to: UInt64.self).update(repeating: value, count: count)
  case 4:
    bytes.assumingMemoryBound(to: UInt32.self).update(repeating: UInt32(truncatingIfNeeded: value), count: count)
  case 2:
    bytes.assumingMemoryBound(to: UInt16.self).update(repeating: UInt16(truncatingIfNeeded: value), count: count)
  default:
    bytes.assumingMemoryBound(to: UInt8.self).update(repeating: UInt8(truncatingIfNeeded: value), count: count)
  }
}

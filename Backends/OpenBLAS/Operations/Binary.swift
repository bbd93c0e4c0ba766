import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

extension Binary: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.binary(self) }
}

extension Select: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.select() }
}

extension WorkMaker {
  func binary(_ operation: Binary) throws -> Work {
    switch type(0).elementType {
    case .float32: operation.function.isComparison ? try comparison(operation) : try arithmetic(operation)
    case .int32: try whole(operation, Int32.self)
    case .int64: try whole(operation, Int64.self)
    default: try whole(operation, UInt8.self)
    }
  }

  private func arithmetic(_ operation: Binary) throws -> Work {
    let (a, b, y, kernels) = (input(0), input(1), output, library.kernels)
    let code = try number(operation.function.rawValue, sb_arithmetic_number) {
      kernels.pointee.binary($0, 0, nil, 1, nil, 1, nil)
    }
    if type(0).shape == type(1).shape {
      return work(access: [.rows, .rows], rows: type(0).shape.elementCount) { frame in
        _ = kernels.pointee.binary(
          code, Int64(frame.rows), frame.floats(a), 1, frame.floats(b), 1, frame.floats(y))
      }
    }
    // A scalar on either side, or a row of the last axis on the right: one call for all rows.
    for scalar in 0...1
    where type(scalar).shape.elementCount == 1 && type(scalar).shape.rank <= type(1 - scalar).shape.rank {
      let other = type(1 - scalar)
      let strides: (Int32, Int32) = scalar == 0 ? (0, 1) : (1, 0)
      return work(access: scalar == 0 ? [.whole, .rows] : [.rows, .whole], rows: other.shape.elementCount) { frame in
        _ = kernels.pointee.binary(
          code, Int64(frame.rows), frame.floats(a), strides.0, frame.floats(b), strides.1, frame.floats(y))
      }
    }
    let columns = type(1).shape.elementCount
    if type(1).shape.extents.suffix(1) == type(0).shape.extents.suffix(1), type(0).shape.rank >= 2,
      type(1).shape.rank <= type(0).shape.rank, columns == type(1).shape.extents.last
    {
      return work(access: [.rows, .whole], rows: type(0).shape.elementCount / max(columns, 1)) { frame in
        _ = kernels.pointee.binary_row(
          code, Int64(frame.rows), Int64(columns), frame.floats(a), frame.floats(b), frame.floats(y))
      }
    }
    return try lines { frame, at, count, strides in
      _ = kernels.pointee.binary(
        code, count, frame.floats(a) + at[1], strides.0, frame.floats(b) + at[2], strides.1, frame.floats(y) + at[0])
    }
  }

  private func comparison(_ operation: Binary) throws -> Work {
    let (a, b, y, kernels) = (input(0), input(1), output, library.kernels)
    let code = try number(operation.function.rawValue, sb_comparison_number) {
      kernels.pointee.compare($0, 0, nil, 1, nil, 1, nil)
    }
    return try lines { frame, at, count, strides in
      _ = kernels.pointee.compare(
        code, count, frame.floats(a) + at[1], strides.0, frame.floats(b) + at[2], strides.1,
        frame.pointers[y].assumingMemoryBound(to: UInt8.self) + at[0])
    }
  }

  /// Whole numbers wrap around, as on the reference.
  private func whole<T: FixedWidthInteger>(_ operation: Binary, _ type: T.Type) throws -> Work {
    switch operation.function {
    case .add: try zip(T.self, T.self) { $0 &+ $1 }
    case .subtract: try zip(T.self, T.self) { $0 &- $1 }
    case .multiply: try zip(T.self, T.self) { $0 &* $1 }
    case .maximum: try zip(T.self, T.self) { max($0, $1) }
    case .minimum: try zip(T.self, T.self) { min($0, $1) }
    case .equal: try zip(T.self, UInt8.self) { $0 == $1 ? 1 : 0 }
    case .greater: try zip(T.self, UInt8.self) { $0 > $1 ? 1 : 0 }
    case .greaterEqual: try zip(T.self, UInt8.self) { $0 >= $1 ? 1 : 0 }
    case .less: try zip(T.self, UInt8.self) { $0 < $1 ? 1 : 0 }
    case .divide, .power:
      throw Declined(reason: "\(operation.function.rawValue) of whole numbers is not defined; cast them")
    }
  }

  @inline(__always)
  private func zip<T, Result>(
    _ type: T.Type, _ resultType: Result.Type, _ function: @escaping (T, T) -> Result
  ) throws -> Work {
    let (a, b, y) = (input(0), input(1), output)
    return try lines { frame, at, count, strides in
      let left = frame.pointers[a].assumingMemoryBound(to: type) + at[1]
      let right = frame.pointers[b].assumingMemoryBound(to: type) + at[2]
      let result = frame.pointers[y].assumingMemoryBound(to: resultType) + at[0]
      for e in 0..<Int(count) { result[e] = function(left[e * Int(strides.0)], right[e * Int(strides.1)]) }
    }
  }

  /// A kernel that calls `body` with every line of the result: where it begins in result and operands, its length, and
  /// the operands' strides in it (0 where one number is stretched over it, else 1).
  @inline(__always)
  private func lines(
    _ body: @escaping (_ frame: Work.Frame, _ at: SIMD4<Int>, _ count: Int64, _ strides: (Int32, Int32)) -> Void
  ) throws -> Work {
    let result = segment.values[output].type.shape
    // Operands of one shape are one line for all rows.
    if type(0).shape == type(1).shape {
      return work(access: [.rows, .rows], rows: type(0).shape.elementCount) { frame in
        body(frame, .zero, Int64(frame.rows), (1, 1))
      }
    }
    let rows = try BroadcastRows(result, [type(0).shape, type(1).shape])
    let (count, strides) = (Int64(rows.lines.count), (Int32(rows.lines.strides[1]), Int32(rows.lines.strides[2])))
    return work(access: rows.access, rows: rows.rows) { frame in
      rows.forEachLine(frame.rows) { body(frame, $0, count, strides) }
    }
  }

  func select() throws -> Work {
    let (condition, a, b, y) = (input(0), input(1), input(2), output)
    let result = segment.values[output].type
    let rows = try BroadcastRows(result.shape, types.map(\.shape))
    let (count, strides) = (rows.lines.count, rows.lines.strides)
    let kernels = library.kernels
    if result.elementType.byteCount == 4 {
      return work(access: rows.access, rows: rows.rows) { frame in
        let choice = frame.pointers[condition].assumingMemoryBound(to: UInt8.self)
        let left = frame.pointers[a].assumingMemoryBound(to: UInt32.self)
        let right = frame.pointers[b].assumingMemoryBound(to: UInt32.self)
        let chosen = frame.pointers[y].assumingMemoryBound(to: UInt32.self)
        rows.forEachLine(frame.rows) { at in
          kernels.pointee.select(
            Int64(count), choice + at[1], Int32(strides[1]), left + at[2], Int32(strides[2]), right + at[3],
            Int32(strides[3]), chosen + at[0])
        }
      }
    }
    let bytes = result.elementType.byteCount
    return work(access: rows.access, rows: rows.rows) { frame in
      let choice = frame.pointers[condition].assumingMemoryBound(to: UInt8.self)
      rows.forEachLine(frame.rows) { at in
        for e in 0..<count {
          let isFirst = choice[at[1] + e * strides[1]] != 0
          let from = isFirst ? at[2] + e * strides[2] : at[3] + e * strides[3]
          (frame.pointers[y] + (at[0] + e) * bytes).copyMemory(
            from: frame.pointers[isFirst ? a : b] + from * bytes, byteCount: bytes)
        }
      }
    }
  }
}

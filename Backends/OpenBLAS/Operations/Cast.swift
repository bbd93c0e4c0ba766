import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

#if canImport(Glibc)
  import Glibc
#endif

extension Cast: OpenBLASOperation {
  func work(_ maker: WorkMaker) throws -> Work { try maker.cast(self) }
}

extension WorkMaker {
  func cast(_ operation: Cast) throws -> Work {
    switch type(0).elementType {
    case .float32: try castFloats(to: operation.to)
    case .int32: try castWhole(Int32.self, to: operation.to)
    case .int64: try castWhole(Int64.self, to: operation.to)
    case .bool where operation.to == .float32: castBytes(library.kernels.pointee.bool_to_float)
    case .uint8 where operation.to == .float32: castBytes(library.kernels.pointee.byte_to_float)
    default: try castWhole(UInt8.self, to: operation.to)
    }
  }

  private func castFloats(to: ElementType) throws -> Work {
    /// Towards zero; what does not fit goes to the nearest end, NaN to 0.
    func whole<I: FixedWidthInteger>(_ value: Float) -> I {
      guard !value.isNaN else { return 0 }
      return I(exactly: value.rounded(.towardZero)) ?? (value < 0 ? I.min : I.max)
    }
    switch to {
    case .float32: return copy()
    case .int32: return map(Float.self) { whole($0) as Int32 }
    case .int64: return map(Float.self) { whole($0) as Int64 }
    case .uint8: return map(Float.self) { whole($0) as UInt8 }
    case .bool: return map(Float.self) { $0 != 0 ? 1 as UInt8 : 0 }
    default: throw Declined(reason: "a cast of \(type(0)) to \(to.rawValue) is not implemented here")
    }
  }

  private func castWhole<T: FixedWidthInteger>(_ from: T.Type, to: ElementType) throws -> Work {
    switch to {
    case .float32: return map(T.self) { Float($0) }
    case .int32: return map(T.self) { Int32(truncatingIfNeeded: $0) }
    case .int64: return map(T.self) { Int64($0) }
    case .uint8: return map(T.self) { UInt8(truncatingIfNeeded: $0) }
    case .bool: return map(T.self) { $0 != 0 ? 1 as UInt8 : 0 }
    default: throw Declined(reason: "a cast of \(type(0)) to \(to.rawValue) is not implemented here")
    }
  }

  @inline(__always)
  private func map<From, To>(_ from: From.Type, _ function: @escaping (From) -> To) -> Work {
    let (x, y) = (input(0), output)
    return work(access: [.rows], rows: type(0).shape.elementCount) { frame in
      let from = frame.pointers[x].assumingMemoryBound(to: From.self)
      let to = frame.pointers[y].assumingMemoryBound(to: To.self)
      for e in 0..<frame.rows { to[e] = function(from[e]) }
    }
  }

  private func castBytes(
    _ convert: @escaping @convention(c) (Int64, UnsafePointer<UInt8>?, UnsafeMutablePointer<Float>?) -> Void
  ) -> Work {
    let (x, y) = (input(0), output)
    return work(access: [.rows], rows: type(0).shape.elementCount) { frame in
      convert(Int64(frame.rows), frame.pointers[x].assumingMemoryBound(to: UInt8.self), frame.floats(y))
    }
  }
}

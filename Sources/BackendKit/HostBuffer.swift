#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif
public import SwitchbackABI

/// Host memory for tensors, aligned to 64 bytes, zeroed, freed with the object.
public final class HostBuffer: @unchecked Sendable {
  // Unchecked: who may write when is the executor's order of segments, not this type's.
  public let bytes: UnsafeMutableRawBufferPointer

  public init(byteCount: Int) throws(BackendError) {
    let size = (max(byteCount, 1) + 63) / 64 * 64
    guard let memory = aligned_alloc(64, size) else {
      throw BackendError(.outOfMemory, "\(byteCount) bytes of host memory cannot be had")
    }
    memset(memory, 0, size)
    bytes = UnsafeMutableRawBufferPointer(start: memory, count: byteCount)
  }

  deinit { free(bytes.baseAddress) }

  public var view: sb_view { view(offset: 0, byteCount: bytes.count) }

  public func view(offset: Int, byteCount: Int) -> sb_view {
    sb_view(buffer: nil, offset: 0, bytes: UInt64(byteCount), host: bytes.baseAddress! + offset)
  }
}

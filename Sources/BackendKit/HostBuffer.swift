#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif
public import SwitchbackABI

/// Host memory for tensors, zeroed, freed with the object: aligned to 64 bytes, from one page on to pages, which is what
/// devices adopt.
public final class HostBuffer: @unchecked Sendable {
  // Unchecked: who may write when is the executor's order of segments, not this type's.
  public let bytes: UnsafeMutableRawBufferPointer
  package static let pageSize = 4096

  public init(byteCount: Int) throws(BackendError) {
    let alignment = byteCount < Self.pageSize ? 64 : Self.pageSize
    let size = (max(byteCount, 1) + alignment - 1) / alignment * alignment
    guard let memory = aligned_alloc(alignment, size) else {
      throw BackendError(.outOfMemory, "\(byteCount) bytes of host memory cannot be had")
    }
    memset(memory, 0, size)
    bytes = UnsafeMutableRawBufferPointer(start: memory, count: byteCount)
  }

  deinit { free(bytes.baseAddress) }

  /// All of it up to the end of the last page, for devices that adopt it; nil where it does not begin on one.
  package var pages: UnsafeMutableRawBufferPointer? {
    guard bytes.count >= Self.pageSize else { return nil }
    let count = (bytes.count + Self.pageSize - 1) / Self.pageSize * Self.pageSize
    return UnsafeMutableRawBufferPointer(start: bytes.baseAddress, count: count)
  }

  public var view: sb_view { view(offset: 0, byteCount: bytes.count) }

  public func view(offset: Int, byteCount: Int) -> sb_view {
    sb_view(buffer: nil, offset: 0, bytes: UInt64(byteCount), host: bytes.baseAddress! + offset)
  }
}

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif
public import SwitchbackABI

/// Host memory for tensors, zeroed, freed with the object: aligned to 64 bytes, from one page on to pages, which is what
/// devices adopt. Large memory takes address space only, until it is first touched.
public final class HostBuffer: @unchecked Sendable {
  // Unchecked: who may write when is the executor's order of segments, not this type's.
  public let bytes: UnsafeMutableRawBufferPointer
  /// Of what is mapped; 0: it is allocated.
  private let mappedByteCount: Int
  package static let pageSize = 4096
  private static let leastMapped = 1 << 20

  public init(byteCount: Int) throws(BackendError) {
    let alignment = byteCount < Self.pageSize ? 64 : Self.pageSize
    guard byteCount <= Int.max - alignment else { throw Self.refusal(byteCount) }
    let size = (max(byteCount, 1) + alignment - 1) / alignment * alignment
    if size >= Self.leastMapped {
      let flags = MAP_PRIVATE | MAP_ANONYMOUS | Self.withoutReserve
      guard let memory = mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0), memory != MAP_FAILED else {
        throw Self.refusal(byteCount)
      }
      mappedByteCount = size
      bytes = UnsafeMutableRawBufferPointer(start: memory, count: byteCount)
    } else {
      guard let memory = aligned_alloc(alignment, size) else { throw Self.refusal(byteCount) }
      memset(memory, 0, size)
      mappedByteCount = 0
      bytes = UnsafeMutableRawBufferPointer(start: memory, count: byteCount)
    }
  }

  deinit {
    if mappedByteCount > 0 { munmap(bytes.baseAddress!, mappedByteCount) } else { free(bytes.baseAddress) }
  }

  private static func refusal(_ byteCount: Int) -> BackendError {
    BackendError(
      .outOfMemory,
      "\(byteCount) bytes of host memory cannot be had: use a smaller batch, or raise the limit (ulimit -v)")
  }

  #if os(Linux)
    private static let withoutReserve = MAP_NORESERVE
  #else
    private static let withoutReserve: Int32 = 0
  #endif

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

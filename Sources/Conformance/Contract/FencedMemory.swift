import SwitchbackBackendKit

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Memory between two pages that cannot be touched. It ends at the second one, as near as its alignment lets it.
final class FencedMemory {
  /// What can be touched: whole pages.
  let pages: UnsafeMutableRawBufferPointer
  /// What was asked for, at their end.
  let bytes: UnsafeMutableRawBufferPointer
  private let (all, size): (UnsafeMutableRawPointer, Int)

  init(byteCount: Int, alignment: Int) throws(BackendError) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let inner = (byteCount + alignment + page - 1) / page * page
    size = inner + 2 * page
    guard let all = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), all != MAP_FAILED,
      mprotect(all, page, PROT_NONE) == 0, mprotect(all + page + inner, page, PROT_NONE) == 0
    else { throw BackendError(.outOfMemory, "\(byteCount) bytes of memory cannot be had") }
    self.all = all
    pages = UnsafeMutableRawBufferPointer(start: all + page, count: inner)
    let end = Int(bitPattern: all) + page + inner
    let start = (end - byteCount) / alignment * alignment - Int(bitPattern: all)
    bytes = UnsafeMutableRawBufferPointer(start: all + start, count: byteCount)
  }

  deinit { munmap(all, size) }
}

import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Scratch memory between two pages that cannot be touched: whoever reads or writes beyond them ends the process. What
/// the alignment leaves free between must stay as it was, which is less than 64 bytes behind and less than a page before.
/// It is full of NaN, so that old contents are no help to the first item of a worker. One a process, which is a child.
enum GuardedScratch {
  private struct Block: @unchecked Sendable {
    // Unchecked: memory that stays; it is read when nobody works.
    /// Between the two pages that cannot be touched.
    var pages: UnsafeMutableRawBufferPointer
    var given: Range<Int>
  }

  private static let blocks = Mutex<[Block]>([])
  private static let free: UInt8 = 0x5A

  /// As `scratch` of `sb_host`; nil where the system has no more.
  static func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let size = (byteCount + page - 1) / page * page
    guard let all = mmap(nil, size + 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      all != MAP_FAILED, mprotect(all, page, PROT_NONE) == 0, mprotect(all + page + size, page, PROT_NONE) == 0
    else { return nil }
    let start = (size - byteCount) / 64 * 64
    memset(all + page, CInt(free), size)
    memset(all + page + start, 0xFF, byteCount)
    let block = Block(
      pages: UnsafeMutableRawBufferPointer(start: all + page, count: size), given: start..<start + byteCount)
    blocks.withLock { $0.append(block) }
    return all + page + start
  }

  /// Bytes beside what was given that were changed. The system has all of it back: whoever goes on using it is ended.
  static func brokenByteCount() -> Int {
    blocks.withLock { blocks in
      defer { blocks = [] }
      let page = Int(sysconf(Int32(_SC_PAGESIZE)))
      return blocks.reduce(0) { sum, block in
        let (pages, given) = (block.pages, block.given)
        defer { munmap(pages.baseAddress! - page, pages.count + 2 * page) }
        return sum + pages[..<given.lowerBound].count { $0 != free } + pages[given.upperBound...].count { $0 != free }
      }
    }
  }
}

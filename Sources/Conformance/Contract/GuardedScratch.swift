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

/// Scratch memory that ends where no memory is: reading or writing beyond it ends the process, and what the alignment
/// leaves free around it must stay as it was. It is full of NaN and never given twice, so that old contents are no help.
/// One a process, which is a child: nothing is given back.
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

  /// Bytes beside what was given that were changed; `given` and they are forgotten.
  static func brokenByteCount() -> Int {
    blocks.withLock { blocks in
      defer { blocks = [] }
      return blocks.reduce(0) { sum, block in
        sum + block.pages.indices.count { !block.given.contains($0) && block.pages[$0] != free }
      }
    }
  }
}

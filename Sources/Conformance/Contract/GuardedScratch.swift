import SwitchbackABI
import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms
import Synchronization

/// Scratch memory between two pages that cannot be touched: whoever reads or writes beyond them ends the process. What
/// the alignment leaves free between must stay as it was, which is less than 64 bytes behind and little more than a page
/// before. It is full of NaN, so that old contents are no help to the first item of a worker. One a process, which is a
/// child.
enum GuardedScratch {
  private struct Block: @unchecked Sendable {
    // Unchecked: memory that stays; it is read when nobody works.
    var memory: FencedMemory
  }

  private static let blocks = Mutex<[Block]>([])
  private static let free: UInt8 = 0x5A

  /// As `scratch` of `sb_host`; nil where the system has no more.
  static func take(_ byteCount: Int) -> UnsafeMutableRawPointer? {
    guard let memory = try? FencedMemory(byteCount: byteCount, alignment: 64) else { return nil }
    _ = memory.pages.initializeMemory(as: UInt8.self, repeating: free)
    _ = memory.bytes.initializeMemory(as: UInt8.self, repeating: 0xFF)
    blocks.withLock { $0.append(Block(memory: memory)) }
    return memory.bytes.baseAddress
  }

  /// Bytes beside what was given that were changed. The system has all of it back: whoever goes on using it is ended.
  static func brokenByteCount() -> Int {
    blocks.withLock { blocks in
      defer { blocks = [] }
      return blocks.reduce(0) { sum, block in
        let (pages, given) = (block.memory.pages, block.memory.bytes)
        let start = given.baseAddress! - pages.baseAddress!
        return sum + pages[..<start].count { $0 != free } + pages[(start + given.count)...].count { $0 != free }
      }
    }
  }
}

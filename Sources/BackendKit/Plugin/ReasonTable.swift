import Synchronization

/// Reasons of verdicts and names of devices as C text that lives as long as the process; there are few different ones.
enum ReasonTable {
  private struct Entries: @unchecked Sendable {
    // Unchecked: only touched under the lock, and what it points to never changes.
    var memory = CMemory()
    var texts: [String: UnsafePointer<CChar>] = [:]
  }
  private static let entries = Mutex(Entries())

  static func text(_ reason: String) -> UnsafePointer<CChar> {
    nonisolated(unsafe) var result: UnsafePointer<CChar>?
    entries.withLock { entries in
      let text = entries.texts[reason] ?? entries.memory.text(reason)
      entries.texts[reason] = text
      result = text
    }
    return result!
  }
}

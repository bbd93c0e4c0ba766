import Foundation
import SwitchbackCrashNote

/// Tells a command that came to its end from a process that a library ended: a plugin may call `exit(0)`, which nobody
/// must take for success.
enum Completion {
  nonisolated(unsafe) private static var isReached = false

  /// From now on the process may only end by itself.
  static func expect() {
    atexit {
      guard !Completion.isReached else { return }
      let note = switchback_crash_words().map { String(cString: $0) }
      let words =
        note.map { "error: a library ended the process: \($0)\n" }
        ?? "error: a library ended the process, probably that of a backend: switchback backends check NAME\n"
      _ = words.utf8CString.withUnsafeBufferPointer { Foundation.write(2, $0.baseAddress, $0.count - 1) }
      _exit(ExitStatus.endedByLibrary.rawValue)
    }
  }

  static func reached() { isReached = true }
}

import Foundation
import Switchback
import Synchronization

/// SIGINT, SIGTERM and SIGHUP: the first finishes the step and saves, the second ends at once.
final class Interruption: TrainingCallback {
  private static let requested = Atomic<Int32>(0)

  /// What the process says when it ends: 128 and the signal's number, as shells have it.
  static var status: Int32 { 128 + requested.load(ordering: .relaxed) }

  static var isRequested: Bool { requested.load(ordering: .relaxed) != 0 }

  func handle(_ event: TrainingEvent, in loop: TrainingLoop) -> TrainingDecision {
    Self.isRequested ? .interrupt : .proceed
  }

  private static let signals = [SIGINT, SIGTERM, SIGHUP]

  /// Whoever started us may have had signals blocked, as threads of Dispatch do, and a child inherits that: nobody could
  /// end any command then.
  static func unblock(_ numbers: [Int32] = [SIGTERM, SIGHUP]) {
    var blocked = sigset_t()
    sigemptyset(&blocked)
    for number in numbers { sigaddset(&blocked, number) }
    pthread_sigmask(SIG_UNBLOCK, &blocked, nil)
  }

  init() {
    for number in Self.signals {
      var earlier = sigaction()
      // nohup has it ignored, and means it.
      if number == SIGHUP, sigaction(number, nil, &earlier) == 0, earlier.isIgnored { continue }
      signal(number) { number in
        if Interruption.requested.exchange(number, ordering: .relaxed) != 0 { _exit(128 + number) }
      }
    }
    Self.unblock(Self.signals)
  }
}

extension sigaction {
  fileprivate var isIgnored: Bool {
    unsafeBitCast(__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}

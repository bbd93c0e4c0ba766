import Foundation
import Switchback
import Synchronization

/// SIGINT: the first finishes the step, the second ends at once.
final class Interruption: TrainingCallback {
  private static let requested = Atomic<Bool>(false)

  func handle(_ event: TrainingEvent, in loop: TrainingLoop) -> TrainingDecision {
    Self.requested.load(ordering: .relaxed) ? .interrupt : .proceed
  }

  init() {
    signal(SIGINT) { _ in
      if Interruption.requested.exchange(true, ordering: .relaxed) { _exit(130) }
    }
    // Whoever started us may have had it blocked, as threads of Dispatch do; a child inherits that.
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGINT)
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }
}

import SwitchbackBackendKit
import SwitchbackExecution

/// What a run needs of host memory, in bytes, as its plans say. The memory of a program is used from its first run on
/// and kept, so these add up; the data, the program itself and its libraries lie beside them.
public struct MemoryNeed: Hashable, Sendable {
  /// Weights, optimizer slots and running averages.
  public var states = 0
  /// Temporaries, inputs and workspaces of the step, and of the one that only accumulates gradients.
  public var step = 0
  /// Those of the step that the gradient monitor looks into.
  public var probedStep = 0
  /// Those of both on an epoch's last batch, where it is smaller.
  public var lastBatch = 0
  public var evaluation = 0

  public init(states: Int = 0, step: Int = 0, probedStep: Int = 0, lastBatch: Int = 0, evaluation: Int = 0) {
    (self.states, self.step, self.probedStep) = (states, step, probedStep)
    (self.lastBatch, self.evaluation) = (lastBatch, evaluation)
  }

  public var total: Int { states + step + probedStep + lastBatch + evaluation }

  /// `about 1.2 GB of memory: states 0.1 GB, step 1.1 GB`.
  public var words: String {
    let parts = [
      ("states", states), ("step", step), ("probed step", probedStep), ("last batch", lastBatch),
      ("evaluation", evaluation),
    ]
    return "about \(ExecutionPlan.bytes(total)) of memory: "
      + parts.filter { $0.1 > 0 }.map { "\($0.0) \(ExecutionPlan.bytes($0.1))" }.joined(separator: ", ")
  }

  /// Throws where `room` is less than what is needed.
  package func check(against room: HostMemory?) throws(ExecutionError) {
    guard let room, total > room.bytes else { return }
    throw ExecutionError(
      .outOfMemory,
      "the run needs \(words); \(room.limit) leaves \(ExecutionPlan.bytes(room.bytes)). Lower training.batch_size"
        + (probedStep > 0 ? ", or set monitor.enabled: false, which spares the probed step" : ""))
  }
}

extension ExecutionPlan.MemoryUse {
  /// Of a program that shares its states with others.
  var withoutStates: Int { host - hostStates }
}

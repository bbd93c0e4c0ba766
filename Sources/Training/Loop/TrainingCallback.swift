/// Takes part in a run: sees what happens, and may end it.
public protocol TrainingCallback: AnyObject {
  /// Called in order for each event; `loop.session` has the weights as they are then. What is thrown ends the run.
  func handle(_ event: TrainingEvent, in loop: TrainingLoop) throws -> TrainingDecision
}

/// How a run goes on after an event.
public enum TrainingDecision: Sendable {
  case proceed
  /// No further step: the epoch is evaluated, the run ends as if it had been that long.
  case finish
  /// No further step and no evaluation: a checkpoint, then `TrainingLoop.Stop.interrupted`.
  case interrupt
}

/// A callback made of a closure.
public final class EventHandler: TrainingCallback {
  private let body: (TrainingEvent) throws -> TrainingDecision

  public init(_ body: @escaping (TrainingEvent) throws -> TrainingDecision) { self.body = body }

  /// For whoever only looks.
  public convenience init(watching body: @escaping (TrainingEvent) throws -> Void) {
    self.init { event in
      try body(event)
      return .proceed
    }
  }

  public func handle(_ event: TrainingEvent, in loop: TrainingLoop) throws -> TrainingDecision { try body(event) }
}

/// Saves every checkpoint of the run.
public final class CheckpointSaver: TrainingCallback {
  private let store: CheckpointStore

  public init(_ store: CheckpointStore) { self.store = store }

  public func handle(_ event: TrainingEvent, in loop: TrainingLoop) throws -> TrainingDecision {
    if case .checkpoint(let checkpoint) = event { _ = try store.save(checkpoint) }
    if case .wentBack(let step) = event { store.removeNewer(than: step) }
    return .proceed
  }
}

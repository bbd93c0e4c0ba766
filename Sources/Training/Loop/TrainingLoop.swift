import Foundation
import SwitchbackBackendKit
public import SwitchbackDatasets
public import SwitchbackExecution
public import SwitchbackInference
public import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// Epochs over a data set, with evaluation, the gradient monitor, and events for whoever shows or records them.
public final class TrainingLoop {
  public let configuration: Configuration
  public let session: TrainingSession
  let parts: LoopData
  /// What the run is trained on.
  public var data: DatasetRecord? { parts.record }
  /// Whether there is one output, of classes, of which a share is right.
  let isOfClasses: Bool
  /// The last validation that was one of the whole test set, and after which batch.
  var testedAlready: (batches: Int, result: Evaluation)?
  var memoryNeed = MemoryNeed()
  /// The column that decides which weights are best.
  let bestBy: Watch
  var monitor: GradientWatch
  let host: HostServices

  var callbacks: [any TrainingCallback] = []
  let sinks: [any MonitorSink]
  /// Where the run stands.
  var position: Checkpoint.Position
  /// What this process measured, in all and in the epoch so far.
  var measured = Measured()
  var measuredInEpoch = Measured()
  var nonFiniteSteps = 0
  /// Of this process: updates that were due, and those that were applied.
  var updates = (due: 0, applied: 0)
  var decision = TrainingDecision.proceed
  /// The step after which `advance` comes back.
  var pause = Int.max
  /// The epoch of the last step.
  var lastEpoch = 0
  /// The step that was started and not finished, where steps overlap.
  var underWay: (step: TrainingSession.StartedStep, stepsInEpoch: Int)?

  struct Measured {
    var seconds = 0.0
    var samples = 0
    var steps = 0
    var forks = 0
    /// Of all devices that count.
    var device: DeviceCounts?

    mutating func count(since before: DeviceCounts?, _ now: DeviceCounts?) {
      guard let before, let now else { return }
      device = (device ?? DeviceCounts()) + (now - before)
    }
  }

  /// Steps in a row without a finite loss after which the run is given up.
  package static let patienceForFinite = 20
  var hasSaidSlots = false
  /// The states of the lowest validation loss, where the run is to end with them.
  var best: Checkpoint?
  /// What `monitor.action: rollback` goes back to.
  var good: Checkpoint?
  /// Whether a run may go on from a checkpoint that was made with another plan: with another backend, other threads or
  /// another routing, to weights that differ in their last bits.
  public var allowsOtherBits = false
  /// What was read of `model.from`.
  var initialWeights: InitialWeights.Record?
  /// What `training.initialization` did.
  var initialization: LSUVRecord?

  /// Why a run ended early. A checkpoint was made before.
  public enum Stop: Error, Sendable {
    case finding(Finding)
    /// The loss was not finite for many steps in a row or in every step, though perhaps it was on the reference.
    case neverFinite(isBackendToBlame: Bool)
    /// Weights that an update of finite gradients made infinite or NaN, and the step after which they were found. They
    /// are in no checkpoint.
    case brokenWeights([String], step: Int)
    case interrupted
    /// A sample cannot be read. Once it can, the run goes on to the weights that it would have had.
    case data(DatasetError)
  }

  /// The registry's reference replays a step whose loss is not finite. `routing` is that of the checkpoint to go on from,
  /// where `backend: auto` had decided it; `progress` hears of measuring. `rules` watch the run besides those of
  /// `RuleCatalog` (see `Rule`), unless the configuration turns the monitor off; `sinks` hear what happens (`MonitorSink`).
  public init(
    _ configuration: Configuration, data: DatasetParts, registry: BackendRegistry, host: HostServices,
    replaying routing: Routing? = nil, rules: [any Rule] = [],
    sinks: [any MonitorSink] = [], progress: @escaping (BackendProgress) -> Void = { _ in }
  ) throws {
    // Before the session takes its part.
    let room = HostMemory.available()
    (self.configuration, self.host, self.sinks) = (configuration, host, sinks)
    var parts = try LoopData(data, configuration)
    session = try TrainingSession(
      configuration, on: parts.train.layout, registry: registry, host: host,
      probeInterval: configuration.monitor.isEnabled ? configuration.monitor.probeInterval : nil,
      firstLooks: TrainingSession.usualFirstLooks, countsExponents: configuration.monitor.sinks.contains(.tensorboard),
      replaying: routing, progress: progress)
    monitor = GradientWatch(configuration, reference: try .reference(registry, host: host), further: rules)
    position = Checkpoint.Position(
      seed: configuration.training.seed, plan: try session.planFingerprint, routing: session.chain.routing,
      program: session.programFingerprint)
    bestBy = try configuration.watch(in: session.step)
    isOfClasses = session.step.objectives.count == 1 && session.step.objectives[0].targets == .classes
    position.go(by: bestBy)
    session.plateau = configuration.training.plateau
    session.plateau?.isMaximized = bestBy.isMaximized
    try parts.check(session, configuration)
    self.parts = parts
    memoryNeed = try session.memoryNeed(
      training: parts.train.count, evaluation: (parts.validation ?? parts.test).count)
    try memoryNeed.check(against: room)
  }

  /// Trains to the end, or until a callback says otherwise; `start` is a checkpoint to go on from.
  /// `best` is that with the lowest validation loss before `start`, for `training.restore_best`.
  /// `good` is the newest one before `start` that a run may go back to, for `monitor.action: rollback`.
  public func run(
    from start: Checkpoint? = nil, best: Checkpoint? = nil, good: Checkpoint? = nil,
    callbacks: [any TrainingCallback] = []
  ) throws -> RunSummary {
    try begin(from: start, best: best, good: good, callbacks: callbacks)
    try advance()
    return try conclude()
  }

  /// Trains so many steps from where the run stands, unless it is over before; epochs end where they end. Begin, advance as
  /// often as you like, and conclude, where `run` is too coarse.
  public func advance(steps: Int = .max) throws {
    pause = steps < .max - session.batches ? session.batches + steps : .max
    while !isComplete, session.batches < pause {
      lastEpoch = position.epoch
      do {
        try stoppingAtBadData { try trainEpoch() }
      } catch let back as GoingBack { try goBack(because: back.finding) }
    }
  }

  /// Whether there is nothing left to train.
  public var isComplete: Bool { decision != .proceed || isComplete(at: position) }

  /// Tells the callbacks; the strictest decision of the run so far holds.
  func emit(_ event: TrainingEvent) throws {
    for sink in sinks { try sink.take(event) }
    for callback in callbacks {
      switch try callback.handle(event, in: self) {
      case .proceed: break
      case .finish: if decision == .proceed { decision = .finish }
      case .interrupt: decision = .interrupt
      }
    }
  }

  /// What is known of the samples.
  public var samples: SampleFormat { data.map { SampleFormat($0) } ?? SampleFormat(parts.test) }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

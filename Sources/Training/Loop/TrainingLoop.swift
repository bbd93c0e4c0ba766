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
  private let parts: LoopData
  /// What the run is trained on.
  public var data: DatasetRecord? { parts.record }
  /// Whether there is one output, of classes, of which a share is right.
  private let isOfClasses: Bool
  /// The last validation that was one of the whole test set, and after which batch.
  private var testedAlready: (batches: Int, result: Evaluation)?
  private var memoryNeed = MemoryNeed()
  /// The column that decides which weights are best.
  let bestBy: Watch
  private var monitor: GradientWatch
  private let host: HostServices

  private var callbacks: [any TrainingCallback] = []
  private let sinks: [any MonitorSink]
  /// Where the run stands.
  private(set) var position: Checkpoint.Position
  /// What this process measured, in all and in the epoch so far.
  private var measured = Measured()
  private var measuredInEpoch = Measured()
  private var nonFiniteSteps = 0
  /// Of this process: updates that were due, and those that were applied.
  private var updates = (due: 0, applied: 0)
  private var decision = TrainingDecision.proceed
  /// The step after which `advance` comes back.
  private var pause = Int.max
  /// The epoch of the last step.
  private var lastEpoch = 0
  /// The step that was started and not finished, where steps overlap.
  private var underWay: (step: TrainingSession.StartedStep, stepsInEpoch: Int)?

  private struct Measured {
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
  private var hasSaidSlots = false
  /// The states of the lowest validation loss, where the run is to end with them.
  private var best: Checkpoint?
  /// What `monitor.action: rollback` goes back to.
  private var good: Checkpoint?
  /// Whether a run may go on from a checkpoint that was made with another plan: with another backend, other threads or
  /// another routing, to weights that differ in their last bits.
  public var allowsOtherBits = false
  /// What was read of `model.from`.
  private var initialWeights: InitialWeights.Record?
  /// What `training.initialization` did.
  private var initialization: LSUVRecord?

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

  /// What `run` does before the first step.
  public func begin(
    from start: Checkpoint? = nil, best: Checkpoint? = nil, good: Checkpoint? = nil,
    callbacks: [any TrainingCallback] = []
  ) throws {
    self.callbacks = callbacks
    self.good = good.flatMap { $0.position.batches <= start?.position.batches ?? 0 ? $0 : nil }
    // A best one that is younger than the start is of steps that are trained again.
    self.best = best.flatMap {
      $0.position.batches <= start?.position.batches ?? 0 && isWatched(in: $0.position) ? $0 : nil
    }
    try checkUpdates(from: start)
    let settings = configuration.training
    for sink in sinks { try sink.begin(after: start?.position.batches ?? 0) }
    try emit(
      .started([
        "\(configuration.name) · \(session.parameterCount) parameters · \(try session.plan.summary) · seed \(settings.seed)"
          + (configuration.monitor.isEnabled ? " · probes every \(configuration.monitor.probeInterval) steps" : "")
          + (try monitor.words(in: session).map { " · " + $0 } ?? ""),
        "needs \(memoryNeed.words); beside it the data and the program",
      ]))
    // Otherwise a law says it.
    if start != nil || !configuration.monitor.isEnabled, let doubt = session.step.doubt(of: try session.inference) {
      try emit(.message("warning: \(doubt)"))
    }
    for line in data?.words ?? [] { try emit(.message(line)) }
    for note in parts.notes { try emit(.message("warning: \(note)")) }
    if parts.validation == nil, configuration.data.validationSplit == 0 {
      let part =
        parts.validationSamples.count < parts.test.count ? "\(parts.validationSamples.count) samples of the" : "the"
      try emit(.message("epochs are validated on \(part) test set; data.validation_split holds out training samples"))
    }
    let every = settings.validation.every
    if every > settings.epochs, settings.restoresBest || settings.patience != nil || settings.plateau != nil {
      try emit(
        .message(
          "warning: training.validation.every \(every) is more than the \(settings.epochs) epochs: restore_best, "
            + "early_stopping_patience and reduce_on_plateau have nothing to go by"))
    }
    if let start {
      try resume(from: start)
    } else {
      try loadInitialWeights()
      for line in try initializeWeights()?.words ?? [] { try emit(.message(line)) }
    }
    if let initialWeights {
      try emit(.message("starting with the weights of \(initialWeights.path) (\(initialWeights.weights.rawValue))"))
    }
    lastEpoch = position.batchInEpoch > 0 ? position.epoch : position.epoch - 1
    if start == nil { try tell(monitor.observe(session.stepDescription)) }
    guard configuration.monitor.action == .rollBack, configuration.monitor.isEnabled else { return }
    // There is always something to go back to.
    guard let start else { return try saveCheckpoint(isRegular: true) }
    if start.position.isGood || self.good?.position.batches != start.position.goodStep || self.good == nil {
      self.good = start
    }
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

  /// What `run` does after the last step: the verdict of the test.
  public func conclude() throws -> RunSummary {
    if decision == .interrupt {
      try saveCheckpoint()
      throw Stop.interrupted
    }
    // However short it is, a run that changed no weight is no success.
    if updates.due > 0, updates.applied == 0 { throw Stop.neverFinite(isBackendToBlame: monitor.isBackendToBlame) }
    try chooseWeights()
    let (result, raw) = try tested()
    if let raw {
      try emit(
        .message(
          "test loss with the averaged weights \(result.loss.short), with the raw ones \(raw.loss.short)"))
    }
    try emit(.tested(EvaluationRecord(result, raw: raw)))
    let seconds = measured.seconds + measuredInEpoch.seconds
    let summary = RunSummary(
      testAccuracy: result.accuracy, testLoss: result.loss, testTop5Accuracy: result.classes?.topAccuracy(5),
      testMetrics: result.numbers, rawTestAccuracy: raw?.accuracy, rawTestLoss: raw?.loss, rawTestMetrics: raw?.numbers,
      seconds: seconds, samplesPerSecond: Double(measured.samples) / max(seconds, 1e-9),
      backend: configuration.backend.name, seed: configuration.training.seed, epochs: lastEpoch, steps: session.batches,
      parameters: session.parameterCount, forksPerStep: Double(measured.forks) / Double(max(measured.steps, 1)),
      launchesPerStep: measured.device.map { Double($0.launches) / Double(max(measured.steps, 1)) },
      blockingCallsPerStep: measured.device.map { Double($0.blockingCalls) / Double(max(measured.steps, 1)) },
      bytesToDevicePerStep: measured.device.map { Double($0.bytesIn) / Double(max(measured.steps, 1)) },
      plannedBytes: try session.plan.memory.planned, peakBytes: peakResidentBytes, findings: monitor.findings,
      actions: position.actions?.records)
    try emit(.finished(summary))
    return summary
  }

  /// Starts with the weights of `model.from`, if there is one; `run` does it where it goes on from no checkpoint. Answers
  /// what was read.
  @discardableResult
  public func loadInitialWeights() throws -> InitialWeights.Record? {
    if initialWeights == nil, let path = configuration.initialWeights {
      let weights = try InitialWeights(path)
      try session.load(weights)
      initialWeights = weights.record
    }
    return initialWeights
  }

  /// Scales the first weights as `training.initialization` says, if it does; `run` does it where it goes on from no
  /// checkpoint. Answers what was done, which is done once.
  @discardableResult
  public func initializeWeights() throws -> LSUVRecord? {
    guard initialization == nil, let settings = configuration.training.initialization else { return initialization }
    let samples = parts.firstSamples(settings.samples ?? configuration.training.batchSize)
    initialization = try session.initialize(settings, on: samples.dataset, samples.indices)
    return initialization
  }

  /// Whether what was best so far was so by what is watched now.
  private func isWatched(in position: Checkpoint.Position) -> Bool {
    position.watched?.column == (bestBy.isTotal ? nil : bestBy.column)
  }

  private func resume(from start: Checkpoint) throws {
    try check(start)
    try session.restore(start)
    let now = position
    position = start.position
    (position.plan, position.routing, position.program) = (now.plan, now.routing, now.program)
    let prefixes = session.step.objectives.map { session.step.prefix(of: $0) }
    position.outputs = position.outputs?.filter { prefixes.contains($0.key) }
    if let remembered = position.monitor { monitor.state = remembered }
    nonFiniteSteps = position.nonFiniteSteps ?? 0
    if let scale = position.actions?.lowered?.scale {
      try emit(.message("findings have lowered the learning rate to \(scale.short) times that of its schedule"))
    }
    try emit(.message("going on after step \(position.batches) (epoch \(position.epoch))"))
    try adoptSettings()
  }

  /// Tells the callbacks; the strictest decision of the run so far holds.
  private func emit(_ event: TrainingEvent) throws {
    for sink in sinks { try sink.take(event) }
    for callback in callbacks {
      switch try callback.handle(event, in: self) {
      case .proceed: break
      case .finish: if decision == .proceed { decision = .finish }
      case .interrupt: decision = .interrupt
      }
    }
  }

  /// A sample that cannot be read ends a run as an interruption does: the steps before it are not lost.
  private func stoppingAtBadData<Answer>(_ body: () throws -> Answer) throws -> Answer {
    do {
      return try body()
    } catch let error as DatasetError {
      try saveCheckpoint()
      throw Stop.data(error)
    }
  }

  /// `isRegular`: a run that goes on without a break makes it too.
  private func saveCheckpoint(isRegular: Bool = false) throws {
    try finishStep()
    position.follow(session)
    (position.monitor, position.nonFiniteSteps) = (monitor.state, nonFiniteSteps)
    try check(session.nonFiniteStates())
    if isRegular, configuration.monitor.action == .rollBack, nonFiniteSteps == 0, monitor.state.isCalm {
      position.goodStep = position.batches
    }
    let checkpoint = try session.checkpoint(at: position, of: data)
    if position.isGood { good = checkpoint }
    try emit(.checkpoint(checkpoint))
  }

  /// Weights that are not finite end the run, and stay out of checkpoints, whose newest is the last good one. An
  /// update is guarded by the gradients it is made of, so only its own overflow can make them. Slots are said once.
  private func check(_ nonFinite: [String]) throws {
    let weights = nonFinite.filter { !$0.hasPrefix("optimizer/") }
    guard weights.isEmpty else { throw Stop.brokenWeights(weights, step: session.batches) }
    guard let slot = nonFinite.first, !hasSaidSlots else { return }
    hasSaidSlots = true
    try emit(
      .message(
        "warning: \(slot) is infinite or NaN: squares of gradients overflowed Float32, and what it belongs to may no "
          + "longer learn. training.optimizer.global_clipnorm keeps gradients small"))
  }
  /// What is known of the samples.
  public var samples: SampleFormat { data.map { SampleFormat($0) } ?? SampleFormat(parts.test) }

  // MARK: Epochs and steps

  private func trainEpoch() throws {
    let settings = configuration.training
    let order = parts.order(epoch: position.epoch, version: position.orderVersion)
    parts.begin(epoch: position.epoch, order, at: position.batchInEpoch, waits: try session.overlaps)
    defer { parts.prefetcher?.stop() }
    if position.batchInEpoch == 0 { monitor.beginEpoch(of: parts.train) }
    while nextBatch < order.batchCount {
      try trainStep(order)
      if decision == .interrupt {
        try saveCheckpoint()
        throw Stop.interrupted
      }
      if decision == .finish || session.batches == settings.steps { break }
      if nextBatch < order.batchCount, let every = settings.checkpointSteps, session.batches % every == 0 {
        try saveCheckpoint(isRegular: true)
      }
      guard session.batches == pause, nextBatch < order.batchCount else { continue }
      try finishStep()
      if decision == .finish { break }
      return
    }
    // Evaluating may want memory that is not there: the epoch is not lost to that. A run that ends here would count as
    // complete without its last validation.
    if session.batches == settings.steps { try finishStep() } else { try saveCheckpoint() }
    measured.seconds += measuredInEpoch.seconds
    // More, where the run goes on with fewer samples than it had in this epoch.
    let isWhole = position.batchInEpoch >= order.batchCount
    if isWhole {
      try tell(
        monitor.endEpoch(
          position.epoch, step: session.batches, order, of: parts.train, dropsLast: settings.dropsLastBatch),
        recorded: true)
    }
    let held = try validated(isWhole: isWhole)
    let report = EpochReport(
      epoch: position.epoch, epochs: settings.epochs, step: session.batches,
      loss: position.lossSum / Double(max(position.samples, 1)),
      accuracy: accuracy(position.correct, of: position.samples),
      metrics: metrics(position.outputs, of: position.samples), validationLoss: held?.loss,
      validationAccuracy: held?.accuracy, validationMetrics: held?.numbers, seconds: measuredInEpoch.seconds,
      samplesPerSecond: Double(measuredInEpoch.samples) / max(measuredInEpoch.seconds, 1e-9))
    try emit(.epoch(report))
    measuredInEpoch = Measured()
    let isRegular = isWhole && isValidated(position.epoch)
    if isWhole { try endEpoch(isRegular ? held : nil) }
    if let held { try lookAtEvaluation(held, report, isRegular: isRegular) }
    try saveCheckpoint(isRegular: isWhole)
  }

  /// Whether the epoch's validation is one that the run's course may depend on.
  private func isValidated(_ epoch: Int) -> Bool { epoch % configuration.training.validation.every == 0 }

  /// The validation of the epoch, if it is its turn; where the run ends it is for whoever reads it, and decides nothing, so
  /// that a run that goes on later is the one that never ended here.
  private func validated(isWhole: Bool) throws -> Evaluation? {
    let settings = configuration.training
    let ends =
      !isWhole || decision != .proceed || position.epoch == settings.epochs || session.batches == settings.steps
    guard ends || isValidated(position.epoch) else { return nil }
    // On the weights that the next step starts with, also where the run's answer is their average.
    let held = try evaluate(parts.validationSamples, .raw, "validating")
    if parts.validation == nil, parts.validationSamples.count == parts.test.count {
      testedAlready = (session.batches, held)
    }
    return held
  }

  /// After a whole epoch: what its validation decides, if it has one, and the position of the next one.
  private func endEpoch(_ held: Evaluation?) throws {
    position.nextEpoch(held, by: bestBy)
    guard let held else { return }
    let scheduled = session.step.optimizer.learningRate(session.updates)
    if session.plateau?.observe(bestBy.number(of: held) ?? .nan, scheduled: scheduled) == true {
      let rate = String(format: "%.4g", session.plateau?.learningRate(scheduled) ?? scheduled)
      try emit(.message("\(bestBy.stagnation): the learning rate is reduced to \(rate)"))
    }
    if configuration.training.restoresBest, position.isBest {
      position.follow(session)
      best = try session.checkpoint(at: position, of: data)
    }
    if hasStoppedEarly(at: position) {
      let hint =
        configuration.training.restoresBest
        ? "" : "; the last weights are used (evaluate --best takes the best, training.restore_best: true always does)"
      try emit(.message("stopped early: \(position.epochsWithoutGain) validations without \(bestBy.gain)\(hint)"))
    }
  }

  /// The test's verdict, and that of the raw weights where the run's answer is their average. The last checkpoint is
  /// made already: a sample that cannot be read loses nothing.
  private func tested() throws -> (result: Evaluation, raw: Evaluation?) {
    // The same weights on the same samples: a short run would spend most of its time on it.
    if let testedAlready, testedAlready.batches == session.batches, session.step.averageMomentum == nil,
      !configuration.training.restoresBest
    {
      return (testedAlready.result, nil)
    }
    do {
      let result = try evaluate(parts.test, nil, "testing")
      return (result, session.step.averageMomentum == nil ? nil : try evaluate(parts.test, .raw, "testing"))
    } catch let error as DatasetError {
      throw Stop.data(error)
    }
  }

  private func evaluate(_ dataset: any Dataset, _ weights: ModelWeights?, _ doing: String) throws -> Evaluation {
    var findings: [Finding] = []
    let evaluation = try session.evaluate(
      dataset, weights: weights,
      afterFirst: { if weights == .raw { findings = try monitor.observe($0, step: session.batches) } }
    ) { samples in
      try emit(.evaluating(EvaluationProgress(doing: doing, samples: samples, of: dataset.count)))
    }
    try tell(findings, recorded: true)
    return evaluation
  }

  /// The weights to test and to hand over: with `training.restore_best` those of the lowest validation loss. Checkpoints
  /// keep the last, from which the run can go on.
  private func chooseWeights() throws {
    if session.accumulated > 0 {
      let batches = session.accumulated == 1 ? "batch" : "\(session.accumulated) batches"
      try emit(
        .message(
          "the gradients of the last \(batches) wait for their update in the checkpoint; they go into it where the run "
            + "goes on"))
    }
    guard configuration.training.restoresBest else { return }
    guard let best, best.position.batches <= session.batches else {
      return try emit(.message("the weights of the \(bestBy.best) are not at hand: the last are used"))
    }
    try session.restoreStates(of: best)
    try emit(
      .message(
        "using the weights of epoch \(best.position.epoch - 1), with the \(bestBy.best) "
          + (best.position.watched?.number ?? best.position.bestLoss).lossText
          + (configuration.training.validation.every > 1 ? " of the epochs that training.validation.every names" : "")))
  }

  /// Goes on with the settings of this configuration where the position holds those of the run so far.
  private func adoptSettings() throws {
    let (earlier, isSameNumber) = (position.plateau, isWatched(in: position))
    if !isSameNumber, position.epoch > 1 {
      try emit(
        .message("the validation \(bestBy.column) is watched from here on: which weights are best is decided anew"))
    }
    position.go(by: bestBy)
    session.plateau = configuration.training.plateau.map { now in
      var now = now
      now.isMaximized = bestBy.isMaximized
      return earlier.map { now.continuing($0, isSameNumber: isSameNumber) } ?? now
    }
    if let earlier, earlier.scale != 1, session.plateau == nil {
      try emit(
        .message("without reduce_on_plateau the learning rate is its schedule's again, not \(earlier.scale) times it"))
    }
    if position.hasEarlyRules, configuration.training.accumulationSteps > 1 {
      try emit(
        .message(
          "as this run began, batches that are left at the end of an epoch go into the first update of the next one"))
    }
  }

  /// Throws where the run would end before its first update, and so change no weight. `start` is the checkpoint that it
  /// is to go on from.
  public func checkUpdates(from start: Checkpoint?) throws {
    let settings = configuration.training
    let position = start?.position ?? position
    let updates = position.updates ?? position.batches / settings.accumulationSteps
    guard updates == 0,
      let obstacle = LoopData.obstacle(
        toUpdatingOn: parts.train.count, settings, fillsAccumulation: position.hasEarlyRules)
    else { return }
    throw ConfigurationError(problems: [.init(settings.places["steps"], obstacle)])
  }

  /// The batch of the epoch that comes next.
  private var nextBatch: Int { position.batchInEpoch + (underWay == nil ? 0 : 1) }

  private func trainStep(_ order: BatchOrder) throws {
    let batch = order.batch(nextBatch)
    try tell(
      monitor.prepare(
        trained, in: session, samples: batch.count, endsAccumulation: endsAccumulation(nextBatch, of: order)),
      recorded: true)
    let clock = ContinuousClock()
    let (begin, forks, counts) = (clock.now, host.forkCount, session.chain.counts)
    let step = try session.start(parts.train, batch, endsAccumulation: endsAccumulation(nextBatch, of: order))
    measuredInEpoch.seconds += (clock.now - begin).seconds
    monitor.begin(step, batch, of: parts.train, in: session)
    measuredInEpoch.samples += batch.count
    measured.samples += batch.count
    measured.forks += host.forkCount - forks
    measured.steps += 1
    defer { measured.count(since: counts, session.chain.counts) }
    // The numbers of the step before, while this one is under way.
    do { try finishStep() } catch let back as GoingBack {
      underWay = (step, order.batchCount)
      throw back
    }
    underWay = (step, order.batchCount)
    if try !session.overlaps { try finishStep() } else { try readAhead(order) }
  }

  /// What is left at the end of an epoch is an update of its own.
  private func endsAccumulation(_ batch: Int, of order: BatchOrder) -> Bool {
    !position.hasEarlyRules && batch + 1 == order.batchCount
  }

  /// Has the next batch read where its step will read it, while the step that is under way reads its own elsewhere.
  private func readAhead(_ order: BatchOrder) throws {
    guard let prefetcher = parts.prefetcher, decision == .proceed, nextBatch < order.batchCount,
      session.batches != configuration.training.steps
    else { return }
    prefetcher.readAhead(
      into: try session.nextBatchMemory(
        prefetcher, count: order.batch(nextBatch).count, endsAccumulation: endsAccumulation(nextBatch, of: order))
    )
  }

  /// Reads the numbers of the step that is under way, if one is, and tells everybody. Its time counts wherever it is
  /// waited for: before the next step, at the end of an epoch, or for a checkpoint.
  private func finishStep() throws {
    guard let (step, stepsInEpoch) = underWay else { return }
    underWay = nil
    let settings = configuration.training
    let clock = ContinuousClock()
    let begin = clock.now
    let result = try session.finish(step)
    measuredInEpoch.seconds += (clock.now - begin).seconds
    position.count(result, of: step.samples)
    try emit(
      .step(
        StepReport(
          step: step.batch, epoch: position.epoch, stepInEpoch: position.batchInEpoch, stepsInEpoch: stepsInEpoch,
          stepsLeft: min(
            (settings.epochs - position.epoch + 1) * stepsInEpoch - position.batchInEpoch,
            (settings.steps ?? .max) - step.batch),
          loss: result.loss, accuracy: accuracy(result.correct ?? 0, of: step.samples),
          metrics: metrics(result.parts, of: step.samples), learningRate: result.learningRate,
          samplesPerSecond: Double(measuredInEpoch.samples) / max(measuredInEpoch.seconds, 1e-9))))
    nonFiniteSteps = result.isFinite ? 0 : nonFiniteSteps + 1
    if result.isUpdate { updates = (updates.due + 1, updates.applied + (result.isFinite ? 1 : 0)) }
    try lookAtGradients(of: result, step.batch)
    // Since such a step changes no weight, one look at the first of them is enough.
    if nonFiniteSteps == 1 { try check(session.nonFiniteStates()) }
    if nonFiniteSteps >= Self.patienceForFinite {
      try saveCheckpoint()
      throw Stop.neverFinite(isBackendToBlame: monitor.isBackendToBlame)
    }
  }

  private func accuracy(_ correct: Double, of count: Int) -> Double? {
    isOfClasses ? correct / Double(max(count, 1)) : nil
  }

  /// Of each of several outputs, by columns.
  private func metrics(_ outputs: [String: Checkpoint.Position.OutputSums]?, of count: Int) -> [String: Double]? {
    outputs.map { outputs in
      let samples = Double(max(count, 1))
      return numbers(outputs.map { ($0.key, $0.value.lossSum / samples, $0.value.correct.map { $0 / samples }) })
    }
  }

  private func metrics(_ parts: [StepExecutor.Numbers], of count: Int) -> [String: Double]? {
    parts.isEmpty ? nil : numbers(parts.map { ($0.prefix, $0.loss, $0.correct.map { $0 / Double(max(count, 1)) }) })
  }

  private func numbers(_ outputs: [(prefix: String, loss: Double, accuracy: Double?)]) -> [String: Double] {
    var numbers: [String: Double] = [:]
    for output in outputs {
      numbers[output.prefix + "loss"] = output.loss
      numbers[output.prefix + Accuracy.word] = output.accuracy
    }
    return numbers
  }

  // MARK: Watching

  /// What this process has trained so far.
  private var trained: TrainedTime {
    TrainedTime(seconds: measured.seconds + measuredInEpoch.seconds, steps: measured.steps)
  }

  private func lookAtGradients(of result: TrainingSession.StepResult, _ batch: Int) throws {
    guard let rows = try monitor.rows(of: result, batch: batch, in: session) else { return }
    if let words = try monitor.estimate(trained, in: session) { try emit(.message(words)) }
    // Before a replay, which may fail.
    if monitor.isDue(rows) { try emit(.probes(rows)) }
    let findings = try monitor.observe(rows, of: result, on: parts.train, in: session)
    for replay in monitor.replays { try emit(.replay(replay)) }
    try tell(findings, recorded: true)
  }

  private func lookAtEvaluation(_ held: Evaluation, _ report: EpochReport, isRegular: Bool) throws {
    let facts = EvaluationFacts(held, report, samples: parts.validationSamples.count)
    try tell(monitor.observe(facts, isRegular: isRegular), recorded: true)
  }

  /// `recorded`: each with the updates before it.
  private func tell(_ findings: [Finding], recorded: Bool = false) throws {
    guard !findings.isEmpty else { return }
    if recorded { for recording in monitor.recordings { try emit(.recording(recording)) } }
    for finding in findings {
      try emit(.finding(finding))
      // A warning ends no run.
      if configuration.monitor.action == .stop, finding.severity == .error {
        try saveCheckpoint()
        throw Stop.finding(finding)
      }
    }
    if let finding = findings.first(where: \.isOfDivergence) { try answer(finding) }
  }

  // MARK: Answers to a divergence

  private struct GoingBack: Error { let finding: Finding }

  /// What `monitor.action` asks for.
  private func answer(_ finding: Finding) throws {
    let settings = configuration.monitor
    if settings.action == .rollBack { throw GoingBack(finding: finding) }
    guard settings.action == .lowerRate else { return }
    var log = position.actions ?? ActionLog()
    guard log.records.count < settings.actionCount else {
      return try emit(
        .message("the learning rate is not lowered again: it was \(log.records.count) times (monitor.action_max_count)")
      )
    }
    // A step may be under way by now, on some backends: the one after it is the first on all.
    log.lower(finding, settings, since: finding.step + 1)
    try take(log)
  }

  /// Goes by what was decided, and says so.
  private func take(_ log: ActionLog) throws {
    (position.actions, session.lowered) = (log, log.lowered)
    try emit(.message(log.words(configuration.monitor)))
  }

  /// Goes back to the last good checkpoint, with a lower rate; beyond `monitor.action_max_count` the run ends there.
  private func goBack(because finding: Finding) throws {
    if let (step, _) = underWay {
      underWay = nil
      _ = try session.finish(step)
    }
    guard let good else { throw Stop.finding(finding) }
    var log = position.actions ?? ActionLog()
    let isOver = log.records.count >= configuration.monitor.actionCount
    let (now, then) = (position, good.position.batches)
    try session.restore(good)
    monitor.restored()
    position = good.position
    (position.plan, position.routing, position.program, position.actions) = (now.plan, now.routing, now.program, log)
    if var state = good.position.monitor {
      (state.findings, state.flight) = (monitor.findings, monitor.state.flight)
      monitor.state = state
    }
    nonFiniteSteps = 0
    measured.seconds += measuredInEpoch.seconds
    measuredInEpoch = Measured()
    if testedAlready?.batches ?? 0 > then { testedAlready = nil }
    if best?.position.batches ?? 0 > then { best = nil }
    for sink in sinks { try sink.begin(after: then) }
    try emit(.wentBack(to: then))
    if isOver {
      session.lowered = log.lowered
      try saveCheckpoint()
      throw Stop.finding(finding)
    }
    log.goBack(finding, configuration.monitor, to: then)
    try take(log)
    // Whoever is killed from here on goes on with the lower rate.
    try saveCheckpoint()
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

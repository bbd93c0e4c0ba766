import SwitchbackBackendKit
public import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// Epochs over a data set, with evaluation, the gradient monitor, and events for whoever shows or records them.
public final class TrainingLoop {
  public let configuration: Configuration
  public let session: TrainingSession
  private let train: any Dataset
  private let validation: (any Dataset)?
  private let test: any Dataset
  private var monitor: GradientMonitor
  private let host: HostServices
  private let reference: BackendChain.Link

  /// Steps in a row without a finite loss after which the run is given up.
  private static let patienceForFinite = 20

  /// Why a run ended early.
  public enum Stop: Error, Sendable {
    case finding(Finding)
    case neverFinite
  }

  /// `reference` is the backend that replays a step whose loss is not finite.
  public init(
    _ configuration: Configuration, data: DatasetParts, registry: BackendRegistry, host: HostServices,
    reference: any ComputeBackend, isProfiled: Bool = false
  ) throws {
    (self.configuration, test, self.host) = (configuration, data.test, host)
    self.reference = BackendChain.Link(
      name: reference.identity.name, device: try reference.open(device: 0, options: [:], host: host))
    let held = Int(Double(data.train.count) * configuration.data.validationSplit)
    train = held > 0 ? data.train.subset(0..<data.train.count - held) : data.train
    validation = held > 0 ? data.train.subset(data.train.count - held..<data.train.count) : nil
    session = try TrainingSession(
      step: configuration.trainingStep(sampleShape: train.sampleShape, targets: train.targets),
      batchSize: configuration.training.batchSize, seed: configuration.training.seed,
      on: try BackendChain(configuration.backendNames, registry: registry, host: host),
      probeInterval: configuration.monitor.isEnabled ? configuration.monitor.probeInterval : nil,
      isProfiled: isProfiled)
    try Self.check(train, fitsOutputOf: session.step)
    monitor = GradientMonitor(rules: [
      VanishingGradient(decades: configuration.monitor.vanishingDecades),
      ExplodingGradient(
        decades: configuration.monitor.explodingDecades, updateRatio: configuration.monitor.explodingUpdateRatio),
      NonFinite(),
    ])
  }

  /// A class without an output would end the first step that meets it, with an error of the backend.
  private static func check(_ data: any Dataset, fitsOutputOf step: TrainingStep) throws {
    let program = try step.inference(batchSize: 1).program
    guard data.targets == .classes, let output = program.output(named: "predictions"),
      let units = program.values[output].type.shape.extents.last
    else { return }
    // A single output tells two classes apart.
    guard data.classNames.count <= max(units, 2) else {
      throw DatasetError(
        .invalid,
        "the data has \(data.classNames.count) classes, and the network ends with \(units) outputs: "
          + "set the units of its last layer to \(data.classNames.count)")
    }
  }

  /// Trains to the end, or until `isInterrupted` answers true after a step; `start` is a checkpoint to go on from,
  /// `save` gets one after every epoch, every `training.checkpoint_steps`, and at an interruption.
  public func run(
    from start: Checkpoint? = nil, isInterrupted: () -> Bool = { false }, save: (Checkpoint) throws -> Void = { _ in },
    _ emit: (TrainingEvent) throws -> Void,
    recordRows: (ProbeRows) throws -> Void = { _ in }
  ) throws -> RunSummary {
    let settings = configuration.training
    let plan = try session.plan
    try emit(
      .started([
        "\(configuration.name) · \(session.parameterCount) parameters · \(plan.summary) · seed \(settings.seed)"
          + (configuration.monitor.isEnabled ? " · probes every \(configuration.monitor.probeInterval) steps" : "")
      ]))
    var seconds = 0.0
    var samples = 0
    var (forks, steps) = (0, 0)
    var epochsDone = 0
    var nonFinite = 0
    var best = Double.infinity
    var epochsWithoutGain = 0
    var wasInterrupted = false
    if let start {
      let plan = try session.plan.fingerprint
      guard start.position.plan == plan, start.position.seed == settings.seed else {
        throw ExecutionError(
          .invalid,
          "the checkpoint was made with another plan or seed (plan \(start.position.plan), here \(plan)): "
            + "going on would give other weights. Use the same backend, configuration and seed")
      }
      try session.restore(start)
      (best, epochsWithoutGain) = (start.position.bestLoss, start.position.epochsWithoutGain)
      try emit(.message("going on after step \(start.position.batches) (epoch \(start.position.epoch))"))
    }
    epochs: for epoch in (start?.position.epoch ?? 1)...max(settings.epochs, start?.position.epoch ?? 1) {
      let order = BatchOrder(
        count: train.count, batchSize: settings.batchSize, seed: Int64(settings.seed), epoch: epoch,
        dropsLast: settings.dropsLastBatch)
      let resumed = start.flatMap { $0.position.epoch == epoch ? $0.position : nil }
      var (lossSum, correct, seen) = (resumed?.lossSum ?? 0, resumed?.correct ?? 0, resumed?.samples ?? 0)
      var trained = 0
      func checkpoint(after batch: Int) throws {
        let isLast = batch == order.batchCount
        try save(
          session.checkpoint(
            at: Checkpoint.Position(
              seed: settings.seed, batches: session.batches, epoch: isLast ? epoch + 1 : epoch,
              batchInEpoch: isLast ? 0 : batch, lossSum: isLast ? 0 : lossSum, correct: isLast ? 0 : correct,
              samples: isLast ? 0 : seen, bestLoss: best, epochsWithoutGain: epochsWithoutGain,
              plan: try session.plan.fingerprint)))
      }
      let clock = ContinuousClock()
      var epochSeconds = 0.0
      guard epoch <= settings.epochs else { break }
      for index in (resumed?.batchInEpoch ?? 0)..<order.batchCount {
        let batch = order.batch(index)
        let (begin, forksBefore) = (clock.now, host.forkCount)
        let result = try session.train(train, batch)
        epochSeconds += (clock.now - begin).seconds
        (forks, steps) = (forks + host.forkCount - forksBefore, steps + 1)
        trained += batch.count
        (lossSum, correct, seen) = (
          lossSum + result.loss * Double(batch.count), correct + result.correct, seen + batch.count
        )
        try emit(
          .step(
            StepReport(
              step: session.batches, epoch: epoch, stepInEpoch: index + 1, stepsInEpoch: order.batchCount,
              stepsLeft: min(
                (settings.epochs - epoch + 1) * order.batchCount - index - 1,
                (settings.steps ?? .max) - session.batches),
              loss: result.loss, accuracy: accuracy(result.correct, of: batch.count), learningRate: result.learningRate,
              samplesPerSecond: Double(trained) / max(epochSeconds, 1e-9))))
        nonFinite = result.isFinite ? 0 : nonFinite + 1
        try watch(result, emit, recordRows)
        if nonFinite >= Self.patienceForFinite { throw Stop.neverFinite }
        wasInterrupted = isInterrupted()
        if wasInterrupted || session.batches == settings.steps {
          try checkpoint(after: index + 1)
          break
        }
        if index + 1 < order.batchCount, let every = settings.checkpointSteps, session.batches % every == 0 {
          try checkpoint(after: index + 1)
        }
      }
      seconds += epochSeconds
      samples += trained
      epochsDone = epoch
      let held = try session.evaluate(validation ?? test)
      try emit(
        .epoch(
          EpochReport(
            epoch: epoch, epochs: settings.epochs, step: session.batches, loss: lossSum / Double(max(seen, 1)),
            accuracy: accuracy(correct, of: seen), validationLoss: held.loss, validationAccuracy: held.accuracy,
            seconds: epochSeconds, samplesPerSecond: Double(trained) / max(epochSeconds, 1e-9))))
      if wasInterrupted || session.batches == settings.steps { break }
      epochsWithoutGain = held.loss < best ? 0 : epochsWithoutGain + 1
      best = min(best, held.loss)
      try checkpoint(after: order.batchCount)
      if let patience = settings.patience, epochsWithoutGain >= patience {
        try emit(.message("stopped early: \(patience) epochs without a lower validation loss"))
        break epochs
      }
    }
    let result = try session.evaluate(test)
    try emit(.tested(EvaluationRecord(result, classNames: test.classNames)))
    let summary = RunSummary(
      testAccuracy: result.accuracy, testLoss: result.loss, testTop5Accuracy: result.classes?.topAccuracy(5),
      seconds: seconds,
      samplesPerSecond: Double(samples) / max(seconds, 1e-9), backend: configuration.backend.name,
      seed: settings.seed, epochs: epochsDone, steps: session.batches, parameters: session.parameterCount,
      forksPerStep: Double(forks) / Double(max(steps, 1)), plannedBytes: plan.memory.planned,
      peakBytes: peakResidentBytes, findings: monitor.findings, wasInterrupted: wasInterrupted)
    try emit(.finished(summary))
    return summary
  }

  private func accuracy(_ correct: Double, of count: Int) -> Double? {
    train.targets == .classes ? correct / Double(max(count, 1)) : nil
  }

  private func watch(
    _ result: TrainingSession.StepResult, _ emit: (TrainingEvent) throws -> Void,
    _ recordRows: (ProbeRows) throws -> Void
  ) throws {
    let settings = configuration.monitor
    // A step that is not finite is always looked at: the replay finds the operation without probes.
    guard settings.isEnabled, result.isUpdate, result.isProbed || !result.isFinite else { return }
    let rows = try session.probeRows(of: result)
    // The first rows of all, so that a short run has some too.
    let isDue = session.batches <= settings.probeInterval || session.batches % settings.period < settings.probeInterval
    if isDue || !result.isFinite { try recordRows(rows) }
    for finding in monitor.observe(rows) {
      let finding = try finding.rule == "nonFinite" ? located(finding) : finding
      try emit(.finding(finding))
      if configuration.monitor.action == .stop { throw Stop.finding(finding) }
    }
  }

  /// Names the operation that made the first value that is not finite.
  private func located(_ finding: Finding) throws -> Finding {
    guard let executor = session.lastExecutor,
      let first = try NonFiniteReplay.firstOperation(of: executor, on: reference, host: host)
    else { return finding }
    var finding = finding
    finding.layers = [first.path] + finding.layers.filter { $0 != first.path }
    finding.message = "\(first.label) made the first value that is infinite or not a number. " + finding.message
    return finding
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

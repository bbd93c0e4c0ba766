import SwitchbackDatasets

/// The steps of an epoch, which overlap where their backend can.
extension TrainingLoop {
  /// The batch of the epoch that comes next.
  var nextBatch: Int { position.batchInEpoch + (underWay == nil ? 0 : 1) }

  func trainStep(_ order: BatchOrder) throws {
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
  func endsAccumulation(_ batch: Int, of order: BatchOrder) -> Bool {
    !position.hasEarlyRules && batch + 1 == order.batchCount
  }

  /// Has the next batch read where its step will read it, while the step that is under way reads its own elsewhere.
  func readAhead(_ order: BatchOrder) throws {
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
  func finishStep() throws {
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
}

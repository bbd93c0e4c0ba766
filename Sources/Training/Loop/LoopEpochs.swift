import SwitchbackDatasets

/// The epochs of a run, and what their validations decide.
extension TrainingLoop {
  func trainEpoch() throws {
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
  func isValidated(_ epoch: Int) -> Bool { epoch % configuration.training.validation.every == 0 }

  /// The validation of the epoch, if it is its turn; where the run ends it is for whoever reads it, and decides nothing, so
  /// that a run that goes on later is the one that never ended here.
  func validated(isWhole: Bool) throws -> Evaluation? {
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
  func endEpoch(_ held: Evaluation?) throws {
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

  /// A sample that cannot be read ends a run as an interruption does: the steps before it are not lost.
  func stoppingAtBadData<Answer>(_ body: () throws -> Answer) throws -> Answer {
    do {
      return try body()
    } catch let error as DatasetError {
      try saveCheckpoint()
      throw Stop.data(error)
    }
  }
}

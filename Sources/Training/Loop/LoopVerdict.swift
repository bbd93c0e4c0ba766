import SwitchbackDatasets
import SwitchbackInference
import SwitchbackMonitoring
import SwitchbackNeuralNetworks

/// How a run ends: with which weights, and what the test says of them.
extension TrainingLoop {
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

  /// The weights to test and to hand over: with `training.restore_best` those of the lowest validation loss. Checkpoints
  /// keep the last, from which the run can go on.
  func chooseWeights() throws {
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

  /// The test's verdict, and that of the raw weights where the run's answer is their average. The last checkpoint is
  /// made already: a sample that cannot be read loses nothing.
  func tested() throws -> (result: Evaluation, raw: Evaluation?) {
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

  func evaluate(_ dataset: any Dataset, _ weights: ModelWeights?, _ doing: String) throws -> Evaluation {
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
}

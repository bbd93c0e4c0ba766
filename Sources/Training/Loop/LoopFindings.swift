import SwitchbackMonitoring

/// What the monitor is shown, and what becomes of its findings.
extension TrainingLoop {
  /// What this process has trained so far.
  var trained: TrainedTime {
    TrainedTime(seconds: measured.seconds + measuredInEpoch.seconds, steps: measured.steps)
  }

  func lookAtGradients(of result: TrainingSession.StepResult, _ batch: Int) throws {
    guard let rows = try monitor.rows(of: result, batch: batch, in: session) else { return }
    if let words = try monitor.estimate(trained, in: session) { try emit(.message(words)) }
    // Before a replay, which may fail.
    if monitor.isDue(rows) { try emit(.probes(rows)) }
    let findings = try monitor.observe(rows, of: result, on: parts.train, in: session)
    for replay in monitor.replays { try emit(.replay(replay)) }
    try tell(findings, recorded: true)
  }

  func lookAtEvaluation(_ held: Evaluation, _ report: EpochReport, isRegular: Bool) throws {
    var facts = EvaluationFacts(held, report, samples: parts.validationSamples.count)
    facts.runningStatistics = try session.runningStatistics
    if monitor.asksForSeenSamples(facts) {
      let seen = parts.seenSamples
      facts.add(try session.evaluate(seen, weights: .raw), ofSeen: seen.count)
    }
    try tell(monitor.observe(facts, isRegular: isRegular), recorded: true)
  }

  /// `recorded`: each with the updates before it.
  func tell(_ findings: [Finding], recorded: Bool = false) throws {
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
}

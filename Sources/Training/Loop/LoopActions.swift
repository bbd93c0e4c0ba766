import SwitchbackMonitoring
import SwitchbackNeuralNetworks

/// What `monitor.action` does about a divergence.
extension TrainingLoop {
  struct GoingBack: Error { let finding: Finding }

  /// What `monitor.action` asks for.
  func answer(_ finding: Finding) throws {
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
  func take(_ log: ActionLog) throws {
    (position.actions, session.lowered) = (log, log.lowered)
    try emit(.message(log.words(configuration.monitor)))
  }

  /// Goes back to the last good checkpoint, with a lower rate; beyond `monitor.action_max_count` the run ends there.
  func goBack(because finding: Finding) throws {
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

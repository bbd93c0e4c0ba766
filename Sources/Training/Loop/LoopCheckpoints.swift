/// The checkpoints that a run makes, which hold finite weights alone.
extension TrainingLoop {
  /// `isRegular`: a run that goes on without a break makes it too.
  func saveCheckpoint(isRegular: Bool = false) throws {
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
  func check(_ nonFinite: [String]) throws {
    let weights = nonFinite.filter { !$0.hasPrefix("optimizer/") }
    guard weights.isEmpty else { throw Stop.brokenWeights(weights, step: session.batches) }
    guard let slot = nonFinite.first, !hasSaidSlots else { return }
    hasSaidSlots = true
    try emit(
      .message(
        "warning: \(slot) is infinite or NaN: squares of gradients overflowed Float32, and what it belongs to may no "
          + "longer learn. training.optimizer.global_clipnorm keeps gradients small"))
  }
}

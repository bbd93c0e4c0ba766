import SwitchbackExecution

/// Whether a run can go on from a checkpoint, and whether there is anything left to do.
extension TrainingLoop {
  /// Throws where going on from the checkpoint would not give the weights that its run would have had: another plan,
  /// seed or routing. With `allowsOtherBits` only what would be another run is refused: another seed, network, loss,
  /// optimizer or batch size. `before` says where the run took place, so that the error can name what differs.
  public func check(_ start: Checkpoint, in before: RunEnvironment? = nil) throws {
    if allowsOtherBits { return try checkIsSameRun(start) }
    guard start.position.routing == position.routing else {
      throw ExecutionError(
        .invalid,
        start.position.routing == nil
          ? "the checkpoint was made without backend: auto; go on with the backend that it was made with"
          : "the checkpoint has a routing of backend: auto, and this run is not placed by it: going on would give other "
            + "weights. Use backend: auto on the same machine, or --other-bits")
    }
    let (then, now) = (start.position, position)
    guard try isSamePlan(then), then.seed == now.seed else {
      let isOfPlan = then.seed == now.seed
      let difference = isOfPlan ? try planDifference(then, before) : "seed (\(then.seed), here \(now.seed))"
      throw ExecutionError(
        .invalid,
        "the checkpoint was made with another \(difference): going on would give other weights. Leave this as it was "
          + "in the run; what is no part of a step, such as epochs, early stopping and the monitor, may change"
          + (isOfPlan ? ", and with --other-bits backend and threads" : ""))
    }
  }

  /// Which part of the plan is another: what the program's fingerprint covers, or else where the run took place.
  private func planDifference(_ then: Checkpoint.Position, _ before: RunEnvironment?) throws -> String {
    if let program = then.program, program != position.program { return "network, loss, optimizer or batch size" }
    let differences = try before.map { try RunEnvironment(of: session).differences(since: $0) } ?? []
    if !differences.isEmpty { return differences.joined(separator: ", and another ") }
    // Positions of runs without a record say nothing of the program.
    return then.program == nil
      ? "plan of its steps (backend or its version, threads, batch size, network, loss or optimizer)"
      : "plan of its steps (backend or its version, options or threads)"
  }

  private func checkIsSameRun(_ start: Checkpoint) throws {
    let (then, now) = (start.position, position)
    guard then.seed == now.seed else {
      throw ExecutionError(
        .invalid,
        "the checkpoint was made with another seed (\(then.seed), here \(now.seed)), and goes on with that one")
    }
    try session.checkStates(of: start)
    // Runs without a record do not say it.
    guard then.program == nil || then.program == now.program else {
      throw ExecutionError(
        .invalid,
        "the checkpoint is of another network, loss, optimizer or batch size: --other-bits goes on with another backend "
          + "or other threads alone; train CONFIG --from starts a new run with its weights")
    }
  }

  /// Whether going on from the checkpoint gives other bits than its run would have had.
  public func givesOtherBits(_ start: Checkpoint) throws -> Bool {
    try !isSamePlan(start.position) || start.position.routing != position.routing
  }

  private func isSamePlan(_ then: Checkpoint.Position) throws -> Bool {
    try then.plan == position.plan || then.plan == session.fingerprintWithEarlyProbes()
  }

  /// Whether the configuration asks for no step after this: all are done, or the run stopped early.
  public func isComplete(at position: Checkpoint.Position) -> Bool {
    Self.hasAllSteps(position, of: configuration.training) || hasStoppedEarly(at: position)
  }

  /// Whether the settings ask for no step after this.
  public static func hasAllSteps(_ position: Checkpoint.Position, of settings: Configuration.Training) -> Bool {
    position.epoch > settings.epochs || position.batches >= settings.steps ?? .max
  }

  /// Whether a position is behind the last step that the settings ask for, in a state that no such run ever had.
  public static func isPast(_ position: Checkpoint.Position, _ settings: Configuration.Training) -> Bool {
    let isAtEnd = position.epoch == settings.epochs + 1 && position.batchInEpoch == 0
    return position.epoch > settings.epochs && !isAtEnd || position.batches > settings.steps ?? .max
  }

  /// Whether what is watched did not get better in as many validations as the configuration waits.
  public func hasStoppedEarly(at position: Checkpoint.Position) -> Bool {
    var position = position
    position.go(by: bestBy)
    return position.epochsWithoutGain >= configuration.training.patience ?? .max
  }
}

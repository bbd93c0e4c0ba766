import SwitchbackMonitoring
import SwitchbackNeuralNetworks

/// How a run starts: with new weights, with those of another run, or from a checkpoint.
extension TrainingLoop {
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
    let warnings = sinks.compactMap(\.warning)
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
    for warning in warnings { try emit(.message("warning: \(warning)")) }
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

  func resume(from start: Checkpoint) throws {
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

  /// Goes on with the settings of this configuration where the position holds those of the run so far.
  func adoptSettings() throws {
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

  /// Whether what was best so far was so by what is watched now.
  func isWatched(in position: Checkpoint.Position) -> Bool {
    position.watched?.column == (bestBy.isTotal ? nil : bestBy.column)
  }
}

import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks

/// Gathers what laws are asked of while a run trains, and asks them. Each says the same once a run.
struct LawWatch {
  /// The word for its memory.
  static let name = "laws"

  private var sampler = StateSampler()
  private var frozen = FrozenStates()
  private var written = WrittenStates()
  private var tally = SampleTally()
  private var batches = BatchLook()
  /// Updates so far, as the watch counts them; nil until the next step, which begins with the session's count.
  private var updates: Int?
  private var isNextProbed = false
  /// Laws and causes that were said.
  private var said: Set<String> = []

  /// For a checkpoint; what is not in it begins anew.
  var memory: [String: Int] {
    get {
      var memory = tally.memory
      memory["turn"] = sampler.turn
      for word in said { memory["said " + word] = 1 }
      return memory
    }
    set {
      tally.memory = newValue
      sampler.turn = natural(newValue["turn"])
      said = Set(newValue.keys.filter { $0.hasPrefix("said ") }.map { String($0.dropFirst(5)) })
      restored()
    }
  }

  /// The states are those of another step: what was seen of the last ones says nothing of them.
  mutating func restored() {
    updates = nil
    sampler.forget()
    frozen.forget()
    written.forget()
    batches.forget()
  }

  // MARK: Steps

  /// Before a step.
  mutating func prepare(_ session: TrainingSession, samples: Int, endsAccumulation: Bool) throws -> [Finding] {
    // Before this step replaces what the last one left.
    try sampler.readAfter()
    let number = updates ?? session.updates
    if updates == nil {
      updates = number
      try frozen.begin(session)
    }
    isNextProbed = session.isNextWatched(samples, endsAccumulation: endsAccumulation)
    if isNextProbed, try isRead(number, in: session) { try sampler.readBefore(session, number: number) }
    guard let writes = try written.writes(in: session) else { return [] }
    return new(LawCatalog.all.flatMap { $0.breaches(in: writes) })
  }

  /// To read states, a device is waited for: where steps overlap that costs more than to read them.
  private func isRead(_ update: Int, in session: TrainingSession) throws -> Bool {
    guard update >= TrainingSession.usualFirstLooks, try session.overlaps else { return true }
    return (update / Self.usualDistance) % Self.rareLooks == 0
  }

  private static let (usualDistance, rareLooks) = (TrainingSession.usualProbeInterval, 10)

  /// Once a step was handed over.
  mutating func begin(
    _ step: TrainingSession.StartedStep, _ batch: ArraySlice<Int32>, of dataset: any Dataset,
    in session: TrainingSession
  ) {
    if step.isUpdate, let known = updates { updates = known + 1 }
    written.begin(session)
    sampler.begin(step: step.batch)
    tally.add(batch, of: dataset)
    if isNextProbed { batches.begin(batch, step: step.batch) }
  }

  /// What a probed step broke, before another step is finished.
  mutating func breaches(
    in result: TrainingSession.StepResult, _ rows: ProbeRows, again: RepeatedStep?, of dataset: any Dataset,
    _ session: TrainingSession
  ) throws -> [Finding] {
    guard result.isProbed else { return [] }
    var found = again.map { again in LawCatalog.all.flatMap { $0.breaches(in: again) } } ?? []
    // What others wrote behind the step is not its update.
    if written.areWritten { sampler.forget() }
    switch try sampler.evidence(result, rows, in: session) {
    case .update(let update)?: found += LawCatalog.all.flatMap { $0.breaches(in: update) }
    case .state(let state)?: found += LawCatalog.all.flatMap { $0.breaches(in: state) }
    case nil: break
    }
    if let state = try frozen.next(step: rows.step) { found += LawCatalog.all.flatMap { $0.breaches(in: state) } }
    if let batch = try batches.batch(result, step: rows.step, of: dataset) {
      found += LawCatalog.all.flatMap { $0.breaches(in: batch) }
    }
    return new(found)
  }

  // MARK: Epochs and evaluations

  /// At the start of an epoch.
  mutating func beginEpoch(of dataset: any Dataset) { tally.begin(dataset) }

  /// At the end of a whole one.
  mutating func breaches(
    inEpoch epoch: Int, step: Int, _ order: BatchOrder, of dataset: any Dataset, dropsLast: Bool
  ) -> [Finding] {
    let samples = tally.samples(step: step, epoch: epoch, order, of: dataset, dropsLast: dropsLast)
    return new(samples.map { samples in LawCatalog.all.flatMap { $0.breaches(in: samples) } } ?? [])
  }

  /// A batch that was evaluated twice.
  mutating func breaches(in evaluation: RepeatedEvaluation) -> [Finding] {
    new(LawCatalog.all.flatMap { $0.breaches(in: evaluation) })
  }

  /// Those that were not said before.
  private mutating func new(_ findings: [Finding]) -> [Finding] {
    findings.filter { said.insert("\($0.rule) \($0.cause ?? "")").inserted }
  }
}

extension Finding {
  /// Whether a law has said it of the data, which no backend computes.
  var isOfData: Bool { subject == "data" }
}

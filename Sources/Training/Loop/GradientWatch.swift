import SwitchbackConformance
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackMonitoring

/// The gradient monitor of a run: which steps it looks at, and who made the first value that was not finite.
struct GradientWatch {
  private let settings: Configuration.Monitor
  private var monitor: GradientMonitor
  /// Who replays a step that is not finite.
  private let reference: BackendChain
  /// The configuration's word for it.
  private let backend: String
  /// Whether the reference got finite numbers where the last such step had none.
  private(set) var isBackendToBlame = false
  private let proof: BackendProof
  private var rotation: OperationRotation
  private var laws = LawWatch()
  /// What shows the findings elsewhere that were answered last.
  private(set) var replays: [ReplayText] = []
  /// The updates before those findings.
  private(set) var recordings: [FlightRecording] = []
  private var flight = FlightRecorder()

  /// Of an evaluation where the run ends within an epoch: a run that goes on has none there, so nobody remembers them.
  private var last: [Finding] = []

  /// `further`: rules besides those of the catalogue.
  init(_ configuration: Configuration, reference: BackendChain, further: [any Rule] = []) {
    (settings, self.reference) = (configuration.monitor, reference)
    backend = configuration.backend.name
    proof = BackendProof(reference: reference)
    rotation = OperationRotation(share: settings.isEnabled ? settings.checkShare : 0, reference: reference)
    monitor = GradientMonitor(
      rules: RuleCatalog.rules(
        VanishingGradient(
          decades: settings.vanishingDecades, timeDecades: settings.vanishingTimeDecades,
          decadesPerStep: settings.vanishingStepDecades, gatedDecadesPerStep: settings.vanishingGatedStepDecades,
          warmUp: settings.vanishingWarmUp),
        ExplodingGradient(decades: settings.explodingDecades, updateRatio: settings.explodingUpdateRatio)) + further)
  }

  /// What it remembers, for a checkpoint.
  var state: GradientMonitor.State {
    get {
      var state = monitor.state
      state.memories[OperationRotation.name] = rotation.memory
      state.memories[LawWatch.name] = laws.memory
      state.flight = flight
      return state
    }
    set {
      monitor.state = newValue
      flight = newValue.flight ?? FlightRecorder()
      rotation.memory = newValue.memories[OperationRotation.name] ?? [:]
      laws.memory = newValue.memories[LawWatch.name] ?? [:]
    }
  }

  /// All of the run so far.
  var findings: [Finding] { monitor.findings + last }

  /// What the start of a run says of the operations that are checked.
  func words(in session: TrainingSession) throws -> String? {
    try rotation.words(in: session, interval: settings.probeInterval)
  }

  /// The same once the first steps were timed.
  mutating func estimate(_ time: TrainedTime, in session: TrainingSession) throws -> String? {
    try rotation.estimate(time, in: session, interval: settings.probeInterval)
  }

  /// The laws that a step breaks before it is run.
  mutating func observe(_ step: StepDescription) -> [Finding] {
    let findings = settings.isEnabled ? LawCatalog.breaches(in: step) : []
    for finding in findings { monitor.record(finding) }
    return findings
  }

  /// Before each step; answers the laws that were broken since the last one.
  mutating func prepare(
    _ time: TrainedTime, in session: TrainingSession, samples: Int, endsAccumulation: Bool
  ) throws -> [Finding] {
    guard settings.isEnabled else { return [] }
    try rotation.prepare(time, in: session, samples: samples, endsAccumulation: endsAccumulation)
    return told(try laws.prepare(session, samples: samples, endsAccumulation: endsAccumulation))
  }

  /// Once a step was handed over.
  mutating func begin(
    _ step: TrainingSession.StartedStep, _ batch: ArraySlice<Int32>, of dataset: any Dataset,
    in session: TrainingSession
  ) {
    if settings.isEnabled { laws.begin(step, batch, of: dataset, in: session) }
  }

  /// At the start of an epoch.
  mutating func beginEpoch(of dataset: any Dataset) { laws.beginEpoch(of: dataset) }

  /// At the end of a whole one: the laws that it broke.
  mutating func endEpoch(
    _ epoch: Int, step: Int, _ order: BatchOrder, of dataset: any Dataset, dropsLast: Bool
  ) -> [Finding] {
    guard settings.isEnabled else { return [] }
    return told(laws.breaches(inEpoch: epoch, step: step, order, of: dataset, dropsLast: dropsLast))
  }

  /// The laws that the first batch of an evaluation breaks, evaluated once more.
  mutating func observe(_ evaluator: EvaluationExecutor, step: Int) throws -> [Finding] {
    guard settings.isEnabled else { return [] }
    return told(laws.breaches(in: try evaluator.repeated(step: step)))
  }

  /// Findings of laws, which nobody completes.
  private mutating func told(_ findings: [Finding]) -> [Finding] {
    guard !findings.isEmpty else { return [] }
    (replays, recordings) = ([], [])
    return findings.map { finding in
      let finding = recorded(finding, monitor.findings)
      monitor.record(finding)
      return finding
    }
  }

  /// The states were restored: nobody but the run wrote them.
  mutating func restored() { laws.restored() }

  /// What a step showed, before another one is finished; nil where it is not looked at.
  mutating func rows(
    of result: TrainingSession.StepResult, batch: Int, in session: TrainingSession
  ) throws -> ProbeRows? {
    guard settings.isEnabled, result.isUpdate else { return nil }
    // A step that is not finite is always looked at: the replay finds the operation without probes.
    let isSeen = result.isProbed || !result.isFinite
    let rows = isSeen ? try session.probeRows(of: result, step: batch) : nil
    flight.record(
      step: batch, loss: result.loss, learningRate: result.learningRate, isApplied: result.isFinite, rows)
    return rows
  }

  /// Whether it is the rows' turn to be recorded.
  func isDue(_ rows: ProbeRows) -> Bool {
    // The first rows of all, so that a short run has some too.
    rows.step <= settings.probeInterval || rows.step % settings.period < settings.probeInterval || !rows.isFinite
  }

  /// The findings that open with these rows, and one of an operation that was checked.
  mutating func observe(
    _ rows: ProbeRows, of result: TrainingSession.StepResult, on dataset: any Dataset, in session: TrainingSession
  ) throws -> [Finding] {
    (replays, recordings) = ([], [])
    let known = monitor.findings
    let checked = try check(rows.step, of: result, in: session).map { recorded($0, known) }
    let broken = try laws.breaches(in: result, rows, again: rotation.repeated, of: dataset, session).map {
      recorded(try completed($0, of: result, in: session), known)
    }
    let findings = try monitor.observe(rows).map { recorded(try completed($0, of: result, in: session), known) }
    monitor.complete(findings)
    let others = broken + (checked.map { [$0] } ?? [])
    for finding in others { monitor.record(finding) }
    return findings + others
  }

  /// The finding with the name of its recording.
  private mutating func recorded(_ finding: Finding, _ known: [Finding]) -> Finding {
    var finding = finding
    recordings.append(flight.recording(of: &finding, known: known))
    return finding
  }

  /// The finding with what the session and a replay know more.
  private mutating func completed(
    _ finding: Finding, of result: TrainingSession.StepResult, in session: TrainingSession
  ) throws -> Finding {
    var explained = finding
    if finding.rule == NonFinite.name {
      isBackendToBlame = false
      let cause = try cause(&explained, in: result, of: session)
      explained.explain(cause)
    } else if finding.evidence["noGradient"] == 1 {
      // The rule's own words stand where the session knows no more.
      if let reason = try session.reasonForNoGradient(finding, in: result) { explained.explain(reason) }
    }
    var (proof, fault) = try ask(finding, of: result, in: session)
    if finding.rule == NonFinite.name, isBackendToBlame, let asked = proof, asked.verdict == .network {
      proof = .backend(backend, checked: asked.checked ?? 0, unchecked: asked.unchecked ?? 0)
      proof?.weightsOfStep = asked.weightsOfStep
    }
    guard let proof else { return explained }
    if let fault, proof.verdict == .backend {
      // The network is not explained, but what is done about the finding goes by what it would be without the proof.
      if finding.rule == NonFinite.name { isBackendToBlame = true }
      let cause = explained.cause
      explained = finding
      explained.cause = cause
      explained.add(proof, keep(fault, finding.rule, finding.step))
    } else {
      explained.add(proof, fault.map { keep($0, finding.rule, finding.step) } ?? nil)
    }
    return explained
  }

  /// A warning is no error of anybody, but for units that never answer: a kernel may have switched them off. Nor is what the
  /// data shows.
  private func ask(
    _ finding: Finding, of result: TrainingSession.StepResult, in session: TrainingSession
  ) throws -> (proof: Proof?, fault: OperationFault?) {
    guard finding.severity == .error && !finding.isOfData || finding.rule == DeadUnits().name else { return (nil, nil) }
    var (proof, fault) = try proof.proof(of: finding, after: result, in: session)
    if proof.verdict != .notAsked, session.batches > finding.step { proof.weightsOfStep = session.batches }
    return (proof, fault)
  }

  /// The finding of the step's check, if it had one.
  private mutating func check(
    _ step: Int, of result: TrainingSession.StepResult, in session: TrainingSession
  ) throws -> Finding? {
    let known = monitor.findings
    let fault = try rotation.check(result, step: step, in: session) { label in
      known.contains { $0.rule == OperationRotation.name && $0.subject == label }
    }
    guard let fault else { return nil }
    var finding = fault.finding(step: step)
    finding.add(fault.proof, keep(fault, OperationRotation.name, step))
    return finding
  }

  /// Keeps the program that shows a fault, and answers its file and the command that runs it.
  private mutating func keep(_ fault: OperationFault, _ rule: String, _ step: Int) -> (file: String, command: String)? {
    guard fault.comesAgain, let replay = fault.replay else { return nil }
    let name = "\(rule)-\(step).program"
    replays.append(ReplayText(name: name, text: "\(replay)"))
    return (name, fault.command(file: name))
  }

  /// Whether a rule wants samples of training evaluated beside an evaluation's own.
  func asksForSeenSamples(_ evaluation: EvaluationFacts) -> Bool {
    settings.isEnabled && StaleStatistics().isSuspected(evaluation)
  }

  /// The findings that open with an evaluation. One that is not regular is there because the run ends.
  mutating func observe(_ evaluation: EvaluationFacts, isRegular: Bool) -> [Finding] {
    guard settings.isEnabled else { return [] }
    recordings = []
    if isRegular {
      let known = monitor.findings
      let findings = monitor.observe(evaluation).map { recorded($0, known) }
      monitor.complete(findings)
      return findings
    }
    var copy = monitor
    last = copy.observe(evaluation)
    return last
  }

  /// What made the first value that is not finite: a weight of before, the batch, an operation, or the backend where the
  /// reference makes none.
  private mutating func cause(
    _ finding: inout Finding, in result: TrainingSession.StepResult, of session: TrainingSession
  ) throws -> NonFiniteCause {
    // Finite gradients may have made weights that are not: the update before overflowed.
    if let broken = try session.nonFiniteStates().first(where: { !$0.hasPrefix("optimizer/") }) {
      return .weights(broken)
    }
    switch try NonFiniteReplay.run(result.executor.executor, on: reference) {
    case .input(let field, let nans, let infinities, let samples):
      return .input(field: field, nans: nans, infinities: infinities, samples: samples)
    case .operation(let label, let path, let nans, let infinities, let isOfStatesAlone):
      if isOfStatesAlone { return .regularizer(label: label, path: path, nans: nans, infinities: infinities) }
      // Paths of objectives end so: `digit/loss`.
      let isLoss = path.split(separator: "/").last == "loss"
      return isLoss
        ? .loss(label: label, nans: nans, infinities: infinities)
        : .operation(label: label, path: path, nans: nans, infinities: infinities)
    case .finite(let largest):
      if !result.loss.isFinite { finding.subject = "loss" }
      // Near its limit Float32 may overflow in one order of sums and not in another. Of accumulated batches only the
      // last is replayed.
      isBackendToBlame = largest < 1e30 && session.step.accumulationSteps == 1
      return isBackendToBlame
        ? .backend(command: "switchback diff CONFIG --backends reference,\(backend)") : .unknown
    }
  }
}

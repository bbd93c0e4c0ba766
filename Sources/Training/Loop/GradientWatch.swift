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

  /// Of an evaluation where the run ends within an epoch: a run that goes on has none there, so nobody remembers them.
  private var last: [Finding] = []

  /// `further`: rules besides those of the catalogue.
  init(_ configuration: Configuration, reference: BackendChain, further: [any Rule] = []) {
    (settings, self.reference) = (configuration.monitor, reference)
    backend = configuration.backend.name
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
    get { monitor.state }
    set { monitor.state = newValue }
  }

  /// All of the run so far.
  var findings: [Finding] { monitor.findings + last }

  /// What a step showed, before another one is finished; nil where it is not looked at.
  func rows(of result: TrainingSession.StepResult, batch: Int, in session: TrainingSession) throws -> ProbeRows? {
    // A step that is not finite is always looked at: the replay finds the operation without probes.
    guard settings.isEnabled, result.isUpdate, result.isProbed || !result.isFinite else { return nil }
    return try session.probeRows(of: result, step: batch)
  }

  /// Whether it is the rows' turn to be recorded.
  func isDue(_ rows: ProbeRows) -> Bool {
    // The first rows of all, so that a short run has some too.
    rows.step <= settings.probeInterval || rows.step % settings.period < settings.probeInterval || !rows.isFinite
  }

  /// The findings that open with these rows.
  mutating func observe(
    _ rows: ProbeRows, of result: TrainingSession.StepResult, in session: TrainingSession
  ) throws -> [Finding] {
    let findings = try monitor.observe(rows).map { finding in
      var finding = finding
      if finding.rule == NonFinite.name {
        let cause = try cause(&finding, in: result, of: session)
        finding.explain(cause)
      } else if finding.evidence["noGradient"] == 1 {
        // The rule's own words stand where the session knows no more.
        if let reason = try session.reasonForNoGradient(finding, in: result) { finding.explain(reason) }
      }
      return finding
    }
    monitor.complete(findings)
    return findings
  }

  /// The findings that open with an evaluation. One that is not regular is there because the run ends.
  mutating func observe(_ evaluation: EvaluationFacts, isRegular: Bool) -> [Finding] {
    guard settings.isEnabled else { return [] }
    if isRegular { return monitor.observe(evaluation) }
    var copy = monitor
    last = copy.observe(evaluation)
    return last
  }

  /// What made the first value that is not finite: a weight of before, the batch, an operation, or the backend where the
  /// reference makes none.
  private mutating func cause(
    _ finding: inout Finding, in result: TrainingSession.StepResult, of session: TrainingSession
  ) throws -> NonFiniteCause {
    isBackendToBlame = false
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

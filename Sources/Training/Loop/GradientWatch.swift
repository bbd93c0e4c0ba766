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

  init(_ configuration: Configuration, reference: BackendChain) {
    (settings, self.reference) = (configuration.monitor, reference)
    backend = configuration.backend.name
    monitor = GradientMonitor(rules: [
      VanishingGradient(
        decades: settings.vanishingDecades, timeDecades: settings.vanishingTimeDecades,
        decadesPerStep: settings.vanishingStepDecades, gatedDecadesPerStep: settings.vanishingGatedStepDecades,
        warmUp: settings.vanishingWarmUp),
      ExplodingGradient(decades: settings.explodingDecades, updateRatio: settings.explodingUpdateRatio), NonFinite(),
    ])
  }

  /// What it remembers, for a checkpoint.
  var state: GradientMonitor.State {
    get { monitor.state }
    set { monitor.state = newValue }
  }

  /// All of the run so far.
  var findings: [Finding] { monitor.findings }

  /// What a step showed, before another one is finished; nil where it is not looked at.
  func rows(of result: TrainingSession.StepResult, batch: Int, in session: TrainingSession) throws -> ProbeRows? {
    // A step that is not finite is always looked at: the replay finds the operation without probes.
    guard settings.isEnabled, result.isUpdate, result.isProbed || !result.isFinite else { return nil }
    return try session.probeRows(of: result, step: batch)
  }

  /// Whether it is the rows' turn to be recorded.
  func isDue(_ rows: ProbeRows) -> Bool {
    // The first rows of all, so that a short run has some too.
    rows.step <= settings.probeInterval || rows.step % settings.period < settings.probeInterval || !rows.loss.isFinite
  }

  /// The findings that open with these rows.
  mutating func observe(
    _ rows: ProbeRows, of result: TrainingSession.StepResult, in session: TrainingSession
  ) throws -> [Finding] {
    try monitor.observe(rows).map { finding in
      finding.rule == NonFinite.name ? try located(finding, in: result, of: session) : finding
    }
  }

  /// Names the operation that made the first value that is not finite, or the backend where the reference makes none.
  private mutating func located(
    _ finding: Finding, in result: TrainingSession.StepResult, of session: TrainingSession
  ) throws -> Finding {
    isBackendToBlame = false
    var finding = finding
    // Finite gradients may have made weights that are not: the update before overflowed.
    let broken = try session.nonFiniteStates().first { !$0.hasPrefix("optimizer/") }
    finding.message +=
      broken.map { " But \($0) is infinite or NaN already: an update of finite gradients overflowed." }
      ?? " The weights are those of the last good step."
    switch try NonFiniteReplay.run(result.executor.executor, on: reference) {
    case .operation(let label, let path):
      finding.layers = [path] + finding.layers.filter { $0 != path }
      finding.message = "\(label) made the first value that is infinite or not a number. " + finding.message
    case .finite(let largest):
      // Near its limit Float32 may overflow in one order of sums and not in another. Of accumulated batches only the
      // last is replayed.
      isBackendToBlame = largest < 1e30 && session.step.accumulationSteps == 1
      guard isBackendToBlame else { break }
      finding.message =
        "The reference gets finite numbers from the same weights and batch, so a backend computes wrongly: switchback "
        + "diff CONFIG --backends reference,\(backend) says which operation. " + finding.message
    }
    return finding
  }
}

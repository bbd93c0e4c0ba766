/// What must hold of training whatever the network and the data are. A law is asked of the evidence that it reads; of all
/// other evidence it says nothing.
public protocol Law: Sendable {
  /// What it is called where a finding names it as its `rule`: `oneUpdate`.
  var name: String { get }
  /// What does not hold of a step's program; asked once, before the first step.
  func breaches(in step: StepDescription) -> [Finding]
  /// What does not hold of an update; asked of one weight at a probed step.
  func breaches(in update: SampledUpdate) -> [Finding]
  /// What does not hold of a state that layers replace or that nothing writes; asked of one at a probed step.
  func breaches(in state: SampledState) -> [Finding]
  /// What does not hold of a batch; asked at a probed step.
  func breaches(in batch: SampledBatch) -> [Finding]
  /// What does not hold of a step that was run again; asked where operations are checked.
  func breaches(in step: RepeatedStep) -> [Finding]
  /// What does not hold of what wrote the states since the step before; asked at every step.
  func breaches(in writes: StateWrites) -> [Finding]
  /// What does not hold of the samples of an epoch; asked at its end.
  func breaches(in epoch: EpochSamples) -> [Finding]
  /// What does not hold of a batch that was evaluated twice; asked at each validation.
  func breaches(in evaluation: RepeatedEvaluation) -> [Finding]
}

extension Law {
  public func breaches(in step: StepDescription) -> [Finding] { [] }
  public func breaches(in update: SampledUpdate) -> [Finding] { [] }
  public func breaches(in state: SampledState) -> [Finding] { [] }
  public func breaches(in batch: SampledBatch) -> [Finding] { [] }
  public func breaches(in step: RepeatedStep) -> [Finding] { [] }
  public func breaches(in writes: StateWrites) -> [Finding] { [] }
  public func breaches(in epoch: EpochSamples) -> [Finding] { [] }
  public func breaches(in evaluation: RepeatedEvaluation) -> [Finding] { [] }

  func breach(
    _ severity: Finding.Severity = .error, step: Int = 0, layers: [String], subject: String? = nil,
    cause: String? = nil, evidence: [String: Double] = [:], _ message: String
  ) -> Finding {
    Finding(
      rule: name, severity: severity, step: step, layers: layers, subject: subject, cause: cause, evidence: evidence,
      message: message)
  }
}

/// Every law, in the order in which findings come. `README.md` beside says what they say, and when each is asked.
public enum LawCatalog {
  public static let all: [any Law] = [
    GradientPath(), OneUpdate(), FrozenWeights(), LayerIsUsed(), LossTakesOutput(), OneInitialization(),
    ClippingApplies(), SureEvaluation(), UpdateLaw(), GradientOfBatch(), RunningStatistics(), EachSampleOnce(),
    BatchOfSamples(),
    WeightsContinue(),
  ]

  /// What does not hold of a step.
  public static func breaches(in step: StepDescription, of laws: [any Law] = all) -> [Finding] {
    laws.flatMap { $0.breaches(in: step) }
  }
}

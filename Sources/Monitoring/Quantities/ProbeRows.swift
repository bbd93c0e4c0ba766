/// What the probes saw in one step.
public struct ProbeRows: Sendable {
  public var step: Int
  public var loss: Double
  /// Whether the update was applied: not where the loss or a gradient is infinite or NaN, though the loss may be finite.
  public var isApplied: Bool
  /// In the order in which the probes were attached.
  public let rows: [(probe: Probe, statistics: TensorStatistics)]
  /// How the gradient changes on its way through the network.
  public let flow: GradientFlow
  /// The same along time, of each recurrent layer, in that order too.
  public let courses: [(probe: Probe, course: TimeCourse)]
  /// What the step knows besides.
  public var facts: StepFacts

  public init(
    step: Int, loss: Double, isApplied: Bool = true, rows: [(probe: Probe, statistics: TensorStatistics)],
    courses: [(probe: Probe, course: TimeCourse)] = [], facts: StepFacts = StepFacts()
  ) {
    (self.step, self.loss, self.isApplied) = (step, loss, isApplied)
    (self.rows, flow) = (rows, GradientFlow(rows))
    (self.courses, self.facts) = (courses, facts)
  }

  public var isFinite: Bool { isApplied && loss.isFinite && rows.allSatisfy(\.statistics.isFinite) }
}

/// What the probes saw in one step.
public struct ProbeRows: Sendable {
  public var step: Int
  public var loss: Double
  /// In the order in which the probes were attached.
  public let rows: [(probe: Probe, statistics: TensorStatistics)]
  /// How the gradient changes on its way through the network.
  public let flow: GradientFlow
  /// The same along time, of each recurrent layer, in that order too.
  public let courses: [(probe: Probe, course: TimeCourse)]

  public init(
    step: Int, loss: Double, rows: [(probe: Probe, statistics: TensorStatistics)],
    courses: [(probe: Probe, course: TimeCourse)] = []
  ) {
    (self.step, self.loss, self.rows, flow) = (step, loss, rows, GradientFlow(rows))
    self.courses = courses
  }

  public var isFinite: Bool { loss.isFinite && rows.allSatisfy(\.statistics.isFinite) }
}

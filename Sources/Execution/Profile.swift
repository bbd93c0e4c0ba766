import SwitchbackBackendKit
import SwitchbackPrograms

/// Time by the groups in which the backends run their operations. The time of a fused group is one number: dividing
/// it over its operations would be invention.
public struct Profile: Sendable {
  public struct Row: Hashable, Sendable {
    public var backend: String
    public var name: String
    /// The operations of the group, such as `layers.2.conv2d/backwardFilter`.
    public var labels: [String]
    public var microseconds: Double
    public var runs: Int
  }

  public private(set) var rows: [Row] = []
  /// First row of each segment.
  private var starts: [Int] = []

  init(_ plan: ExecutionPlan) {
    for (segment, report) in zip(plan.segments, plan.reports) {
      starts.append(rows.count)
      for (group, name) in report.groupNames.enumerated() {
        let labels = zip(report.groupOfCall, segment.segment.calls).filter { $0.0 == group }.map(\.1.label)
        rows.append(Row(backend: plan.backends[segment.link], name: name, labels: labels, microseconds: 0, runs: 0))
      }
    }
  }

  mutating func add(_ microseconds: UnsafeBufferPointer<Double>, segment: Int) {
    let end = segment + 1 < starts.count ? starts[segment + 1] : rows.count
    for (group, row) in (starts[segment]..<end).enumerated() {
      rows[row].microseconds += microseconds[group]
      rows[row].runs += 1
    }
  }
}

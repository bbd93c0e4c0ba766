import SwitchbackBackendKit
import SwitchbackPrograms

/// Time by the groups in which the backends run their operations. The time of a fused group is one number: dividing
/// it over its operations would be invention. A backend may leave the times of its groups out (`group_us` of the
/// contract): then the host's clock has one number for the whole segment.
public struct Profile: Sendable {
  public struct Row: Hashable, Sendable {
    public var backend: String
    public var name: String
    /// The operations of the group, such as `layers.2.conv2d/backwardFilter`.
    public var labels: [String]
    public var microseconds: Double
    public var runs: Int
    /// Whether this is a whole segment's time, because its backend measures no groups.
    public var isByHost = false
  }

  private struct OfSegment {
    var whole: Row
    var groups: [Row]
  }

  private var segments: [OfSegment]

  public var rows: [Row] {
    segments.flatMap { segment in segment.groups.contains { $0.microseconds > 0 } ? segment.groups : [segment.whole] }
  }

  init(_ plan: ExecutionPlan) {
    segments = zip(plan.segments, plan.reports).map { segment, report in
      let backend = plan.backends[segment.link]
      let groups = report.groupNames.enumerated().map { group, name in
        let labels = zip(report.groupOfCall, segment.segment.calls).filter { $0.0 == group }.map(\.1.label)
        return Row(backend: backend, name: name, labels: labels, microseconds: 0, runs: 0)
      }
      let whole = Row(
        backend: backend, name: "segment", labels: segment.segment.calls.map(\.label), microseconds: 0, runs: 0,
        isByHost: true)
      return OfSegment(whole: whole, groups: groups)
    }
  }

  /// What the backend said of a segment's groups; zeros where it measures none.
  func groupMicroseconds(ofSegment index: Int) -> [Double] { segments[index].groups.map(\.microseconds) }

  /// `whole` is what the host's clock says of the run.
  mutating func add(_ microseconds: UnsafeBufferPointer<Double>, whole: Double, segment index: Int) {
    segments[index].whole.microseconds += whole
    segments[index].whole.runs += 1
    for group in segments[index].groups.indices {
      let time = microseconds[group]
      segments[index].groups[group].microseconds += time.isFinite && time > 0 ? time : 0
      segments[index].groups[group].runs += 1
    }
  }
}

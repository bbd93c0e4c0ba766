import SwitchbackBackendKit
public import SwitchbackPrograms

/// Time by the groups in which the backends run their operations. The time of a fused group is one number: dividing
/// it over its operations would be invention. A backend may leave the times of its groups out (`group_us` of the
/// contract): then the host's clock has one number for the whole segment.
public struct Profile: Sendable {
  public struct Row: Hashable, Sendable {
    public var backend: String
    public var name: String
    /// The operations of the group, such as `layers.2.conv2d/backwardFilter`.
    public var labels: [String]
    /// What these state of one run (`TensorOperation.cost`), however the backend computes it.
    public var cost: Cost
    public var microseconds: Double
    public var runs: Int
    /// Whether this is a whole segment's time, because its backend measures no groups.
    public var isByHost = false
    /// Whether the backend is a device with memory of its own, which computes with other units than the host's.
    public var isOnDevice = false
  }

  /// What a group took in the run that was measured last, and when that began.
  public struct Span: Hashable, Sendable {
    public var row: Row
    /// By `RouteSearch.monotonicSeconds`. A segment's groups are laid end to end from its beginning, in their order: backends
    /// say how long a group takes, not when.
    public var begin: Double
  }

  private struct OfSegment {
    var whole: Row
    var groups: [Row]
    /// Of the last run, in microseconds but for the beginning.
    var lastBegin = 0.0
    var lastWhole = 0.0
    var lastGroups: [Double]

    var isOfGroups: Bool { groups.contains { $0.microseconds > 0 } }
  }

  private var segments: [OfSegment]

  public var rows: [Row] {
    segments.flatMap { segment in segment.isOfGroups ? segment.groups : [segment.whole] }
  }

  /// The last run of each segment, group by group.
  public var lastRun: [Span] {
    segments.flatMap { segment -> [Span] in
      let rows = segment.isOfGroups ? segment.groups : [segment.whole]
      let times = segment.isOfGroups ? segment.lastGroups : [segment.lastWhole]
      var begin = segment.lastBegin
      return zip(rows, times).map { row, microseconds in
        var row = row
        (row.microseconds, row.runs) = (microseconds, 1)
        defer { begin += microseconds * 1e-6 }
        return Span(row: row, begin: begin)
      }
    }
  }

  /// `isOnDevice` tells which links of the plan's chain have memory of their own.
  init(_ plan: ExecutionPlan, isOnDevice: (_ link: Int) -> Bool) {
    segments = zip(plan.segments, plan.reports).map { segment, report in
      let calls = Array(plan.program.calls[segment.calls])
      func row(_ name: String, _ calls: [Program.Call]) -> Row {
        Row(
          backend: plan.backends[segment.link], name: name, labels: calls.map(\.label),
          cost: calls.reduce(Cost(flops: 0, bytes: 0)) { $0 + plan.program.cost(of: $1) }, microseconds: 0, runs: 0,
          isOnDevice: isOnDevice(segment.link))
      }
      let groups = report.groupNames.enumerated().map { group, name in
        row(name, zip(report.groupOfCall, calls).filter { $0.0 == group }.map(\.1))
      }
      var whole = row("segment", calls)
      whole.isByHost = true
      return OfSegment(whole: whole, groups: groups, lastGroups: groups.map { _ in 0 })
    }
  }

  /// What was measured since `earlier`, a copy of this profile.
  public func since(_ earlier: Profile) -> Profile {
    var later = self
    for (index, before) in zip(segments.indices, earlier.segments) {
      later.segments[index].whole.subtract(before.whole)
      for (group, row) in before.groups.enumerated() { later.segments[index].groups[group].subtract(row) }
    }
    return later
  }

  /// The profiles of two programs, one after the other.
  public static func + (a: Profile, b: Profile) -> Profile {
    var both = a
    both.segments += b.segments
    return both
  }

  /// What the backend said of a segment's groups; zeros where it measures none.
  func groupMicroseconds(ofSegment index: Int) -> [Double] { segments[index].groups.map(\.microseconds) }

  /// `whole` is what the host's clock says of the run, in microseconds, and `begin` when it began, in seconds.
  mutating func add(
    _ microseconds: UnsafeBufferPointer<Double>, whole: Double, begin: Double, segment index: Int
  ) {
    segments[index].whole.microseconds += whole
    segments[index].whole.runs += 1
    (segments[index].lastBegin, segments[index].lastWhole) = (begin, whole)
    for group in segments[index].groups.indices {
      let time = microseconds[group]
      let isTime = time.isFinite && time > 0
      segments[index].groups[group].microseconds += isTime ? time : 0
      segments[index].groups[group].runs += 1
      segments[index].lastGroups[group] = isTime ? time : 0
    }
  }
}

extension Profile.Row {
  fileprivate mutating func subtract(_ earlier: Self) {
    microseconds -= earlier.microseconds
    runs -= earlier.runs
  }
}

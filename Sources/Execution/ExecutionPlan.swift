import SwitchbackABI
public import SwitchbackBackendKit
public import SwitchbackPrograms

/// How a program will run: what is left of it, who runs what, and the bytes it takes. Known exactly before the first
/// step.
public struct ExecutionPlan: Sendable {
  /// The program after the passes.
  public let program: Program
  /// One entry a call of `program`.
  public let placements: [Placement]
  package let segments: [ProgramSegment]
  /// Backends' names, as in the chain.
  public let backends: [String]
  public internal(set) var reports: [CompiledReport] = []
  public internal(set) var memory = MemoryUse()

  public struct MemoryUse: Hashable, Sendable {
    /// Temporaries and workspaces, sharing bytes where they can.
    public var arena = 0
    /// What the temporaries would take if none shared.
    public var naive = 0
    public var states = 0
    public var inputs = 0
    /// What executables keep themselves.
    public var own = 0
    /// Moved between memories in one run.
    public var transferred = 0
    /// What of all this lies in the host's memory: all but that of devices with memory of their own.
    public var host = 0
    /// The states' part of it.
    public var hostStates = 0

    public var planned: Int { arena + states + inputs + own }
  }

  /// The composite operations and who computes them: first those in whose place simpler ones stand.
  public let composites: [Composite]

  public var segmentCount: Int { segments.count }
  /// The copies between memories in one run, in their order.
  public internal(set) var transfers: [Transfer] = []

  public struct Transfer: Hashable, Sendable, Codable {
    /// A name from outside, or the operation that computes it.
    public var value: String
    public var bytes: Int
    /// A backend's name, or `host`.
    public var from: String
    public var to: String
  }

  /// For each call of `program` the name of the group that it is profiled in.
  public var groupOfCall: [String] {
    zip(segments, reports).flatMap { segment, report in
      segment.calls.indices.map { call in
        let group = report.groupOfCall[call - segment.calls.lowerBound]
        return group < report.groupNames.count ? report.groupNames[group] : ""
      }
    }
  }

  /// For each call of `program` what a `Routing` calls it.
  public var operationKeys: [String] { Routing.keys(of: program) }

  /// For each call of `program` the index of its segment.
  public var segmentOfCall: [Int] {
    segments.enumerated().flatMap { index, segment in segment.calls.map { _ in index } }
  }

  package init(_ program: Program, chain: BackendChain, taps: Set<Int>) throws(ExecutionError) {
    let decomposed = try chain.decompose(program.droppingDeadWork(keeping: taps))
    var program = decomposed.program
    if !decomposed.parts.isEmpty { program = program.droppingDeadWork(keeping: taps) }
    let placed = try chain.place(program)
    let order = program.orderSinkingProbes(placed)
    program.calls = order.map { program.calls[$0] }
    self.program = program
    placements = order.map { placed[$0] }
    segments = self.program.segments(placements, chain: chain, taps: taps)
    backends = chain.links.map(\.name)
    composites = decomposed.parts + self.program.composites(placements, backends, decomposed.obstacles)
  }

  /// Covers routing and every choice the backends made: equal fingerprints and equal seeds mean equal bits.
  public var fingerprint: String {
    var fingerprint = Fingerprint()
    fingerprint.mix(program.description)
    for (segment, report) in zip(segments, reports) {
      fingerprint.mix("\(backends[segment.link]) \(segment.calls) \(report.fingerprint)")
    }
    return fingerprint.text
  }

  /// The one line that every start prints: nothing falls back silently.
  public var summary: String {
    var counts: [Int: Int] = [:]
    for placement in placements { counts[placement.link, default: 0] += 1 }
    let shares = counts.sorted { $0.key < $1.key }.map { "\($0.value) on \(backends[$0.key])" }
    let placement =
      counts.count == 1
      ? "\(placements.count) operations, all on \(backends[counts.keys.first!])"
      : "\(placements.count) operations: \(shares.joined(separator: ", "))"
    return "\(placement) · \(segments.count) segment\(segments.count == 1 ? "" : "s") · "
      + "\(movement) · \(Self.bytes(memory.planned)) planned"
  }

  /// What a step moves between memories: `208.4 kB a step from host to opencl (images, labels and 43 more)`.
  public var movement: String {
    guard !transfers.isEmpty else { return "nothing copied between devices" }
    let ways = Dictionary(grouping: transfers) { "from \($0.from) to \($0.to)" }.sorted { $0.key < $1.key }
    return ways.map { way, moved in
      let largest = moved.sorted { ($1.bytes, $0.value) < ($0.bytes, $1.value) }.map(\.value)
      let names = largest.prefix(2).joined(separator: ", ") + (moved.count > 2 ? " and \(moved.count - 2) more" : "")
      return "\(Self.bytes(moved.reduce(0) { $0 + $1.bytes })) a step \(way) (\(names))"
    }.joined(separator: ", ")
  }

  /// Bytes for people: `38.2 MB`.
  public static func bytes(_ count: Int) -> String {
    if count < 10_000 { return "\(count) B" }
    let (value, unit) =
      count < 1_000_000
      ? (Double(count) / 1e3, "kB")
      : count < 10_000_000_000 ? (Double(count) / 1e6, "MB") : (Double(count) / 1e9, "GB")
    return "\((value * 10).rounded() / 10) \(unit)"
  }
}

extension Program {
  /// The composite operations that are computed whole.
  fileprivate func composites(
    _ placements: [Placement], _ backends: [String], _ obstacles: [Int: String]
  ) -> [Composite] {
    zip(calls, placements).filter { $0.0.operation is any CompositeOperation }.map { call, placement in
      var declined = placement.declined
      let obstacle = call.outputs.compactMap { $0 }.compactMap { obstacles[$0] }.first
      if let obstacle, let first = backends.first {
        declined[first] = [declined[first], obstacle].compactMap { $0 }.joined(separator: ", ")
      }
      return Composite(label: call.label, backend: backends[placement.link], partCount: 0, declined: declined)
    }
  }
}

import SwitchbackBackendKit
import SwitchbackPrograms

/// A program on one choice of backends, and what its runs took.
final class MeasuredRoute {
  /// The link of each atom.
  let path: [Int]
  let executor: ProgramExecutor
  /// For each run the seconds of each segment.
  private(set) var runs: [[Double]] = []
  private let atoms: RouteAtoms

  init(
    _ program: Program, path: [Int], atoms: RouteAtoms, chain: BackendChain, order: [String],
    prepare: (ProgramExecutor) throws -> Void, isProfiled: Bool = false
  ) throws {
    (self.path, self.atoms) = (path, atoms)
    var routed = chain
    routed.routing = Routing.of(path, atoms, program, chain, order: order)
    executor = try ProgramExecutor(program, on: routed, states: StateStore(), isProfiled: isProfiled)
    try prepare(executor)
  }

  func run(clock: () -> Double) throws(ExecutionError) {
    var seconds = [Double](repeating: 0, count: executor.plan.segmentCount)
    try executor.run(clock: clock, addingTo: &seconds)
    runs.append(seconds)
  }

  /// Forgets what was measured so far: first runs plan and fill caches.
  func forget() { runs = [] }

  /// Of one run, in seconds.
  var total: Double { median(runs.map { $0.reduce(0, +) }) }

  /// The median seconds of each segment.
  private var segmentSeconds: [Double] {
    executor.plan.segments.indices.map { segment in median(runs.map { $0[segment] }) }
  }

  /// Adds the segments of this route to `times`: runs of atoms on one link, which a device may have cut further.
  func record(in times: inout RouteTimes) {
    let seconds = segmentSeconds
    for range in runsOfAtoms() {
      let calls = atoms.ranges[range.lowerBound].lowerBound..<atoms.ranges[range.upperBound - 1].upperBound
      let sum = zip(executor.plan.segments, seconds).reduce(0) { $0 + (calls.overlaps($1.0.calls) ? $1.1 : 0) }
      times.record(sum, link: path[range.lowerBound], atoms: range)
    }
  }

  private func runsOfAtoms() -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    for (atom, link) in path.enumerated() {
      if let last = ranges.last, path[last.lowerBound] == link {
        ranges[ranges.count - 1] = last.lowerBound..<atom + 1
      } else {
        ranges.append(atom..<atom + 1)
      }
    }
    return ranges
  }

  /// What each atom of `link` took in `profiled` runs of the same route, scaled to the time of whole segments here.
  ///
  /// A group that spans several atoms is divided by their arithmetic and traffic: good enough to guess a path by, which
  /// is then measured. Answers the atoms whose time is not such a guess.
  func recordUnits(of link: Int, profiled: MeasuredRoute, in times: inout RouteTimes) -> Set<Int> {
    let (plan, seconds) = (profiled.executor.plan, segmentSeconds)
    var atomOfCall: [Int] = []
    for (atom, range) in atoms.ranges.enumerated() { atomOfCall += range.map { _ in atom } }
    var guessed: Set<Int> = []
    for (index, segment) in plan.segments.enumerated() where segment.link == link {
      let report = plan.reports[index]
      var groups = profiled.executor.profile?.groupMicroseconds(ofSegment: index) ?? []
      var groupOfCall = report.groupOfCall
      if !(groups.reduce(0, +) > 0) { (groups, groupOfCall) = ([1], segment.calls.map { _ in 0 }) }
      let scale = seconds[index] / groups.reduce(0, +)
      for (group, time) in groups.enumerated() {
        let calls = segment.calls.filter { groupOfCall[$0 - segment.calls.lowerBound] == group }
        let weights = calls.map { call in
          let cost = plan.program.cost(of: plan.program.calls[call])
          return Double(cost.flops + cost.bytes + 1)
        }
        if Set(calls.map { atomOfCall[$0] }).count > 1 { guessed.formUnion(calls.map { atomOfCall[$0] }) }
        for (call, weight) in zip(calls, weights) {
          times.record(unit: time * scale * weight / weights.reduce(0, +), link: link, atom: atomOfCall[call])
        }
      }
    }
    return Set(path.indices.filter { path[$0] == link }).subtracting(guessed)
  }
}

extension Routing {
  /// `path` names for each atom its link.
  static func of(
    _ path: [Int], _ atoms: RouteAtoms, _ program: Program, _ chain: BackendChain, order: [String]
  ) -> Routing {
    let keys = keys(of: program)
    var choices: [String: String] = [:]
    for (atom, range) in atoms.ranges.enumerated() {
      for call in range { choices[keys[call]] = chain.links[path[atom]].name }
    }
    return Routing(chain.links, workers: chain.host.workers, order: order, choices: choices)
  }
}

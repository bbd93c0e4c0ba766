import SwitchbackExecution
import SwitchbackPrograms

/// A program as training runs it: the candidate takes what it accepts and the reference the rest, states are states,
/// memory is shared as the plan has it, and nobody looks at a value between. Lockstep looks at every one, and a backend
/// that writes what is looked at fuses nothing there.
///
/// Outputs, changed states and values that somebody looks at are judged, each as a whole. Rounding carries through a
/// network, and now and then opens a gate that is closed elsewhere, so what Float32 costs the reference itself is the
/// measure. Where operands are not finite, and an operation may spread them over its result (`SpecialValueLaw`), only NaN
/// is asked for, where it has to come out.
struct SegmentRun {
  /// What is wrong: a name, how far it is off (relative L2 of the change of a state, of an output itself), and how far it
  /// may be.
  struct Fault {
    var name: String
    var error: Double
    var limit: Double
  }

  let program: Program
  private let start: [String: [Double]]
  private let expected: [String: [Double]]
  private let spreads: Bool
  /// By name, of the reference in Float32 against Float64; without those that are not judged.
  private let limits: [String: Double]
  /// The outputs and states of which Float32 leaves too little to judge by: sums that overflow, or cancel.
  let unjudged: [String]

  /// Right kernels add up in other orders, some in more places than the reference; a sum of ten bits is off by 5e-4. What
  /// is off by more than `most` is wrong, whatever rounding does.
  private static let (factor, least, most) = (20.0, 2e-5, 1e-3)

  init(_ replay: ReplayFile, reference: BackendChain) throws {
    (program, start) = (replay.program, replay.values)
    let spreads =
      start.values.contains { !$0.allSatisfy(\.isFinite) }
      && program.calls.contains { type(of: $0.operation).specialValues.reach == .spread }
    self.spreads = spreads
    let taps = Set(program.values(.temporary))
    expected = try Self.results(replay, on: reference, taps)
    let truth = try Self.results(ReplayFile(try program.converted(to: .float64), start), on: reference, taps)
    var limits: [String: Double] = [:]
    for (name, numbers) in expected {
      let right = truth[name] ?? []
      let own =
        spreads
        ? max(Self.lostNaN(numbers, right), Self.lostNaN(right, numbers))
        : Self.error(numbers, right, since: start[name])
      // A right kernel may be off as far in another direction.
      if 2 * own <= Self.most { limits[name] = min(max(Self.factor * own, Self.least), Self.most) }
    }
    self.limits = limits
    let results = replay.program.outputs.map(\.name) + program.values(.state).map { replay.program.values[$0].name }
    unjudged = results.filter { limits[$0] == nil }
  }

  /// The worst of what `chain` makes otherwise, while somebody looks at `taps`; nil where all is right. Without
  /// `sharesMemory` no result lies where another one lay before.
  func fault(on chain: BackendChain, _ taps: Set<Int> = [], sharesMemory: Bool = true) throws -> Fault? {
    fault(
      try Self.results(ReplayFile(program, start), on: chain, taps, sharesMemory: sharesMemory), against: expected)
  }

  /// What is wrong after the states or inputs called `names` have got other contents since an earlier run, and is right
  /// in a new executable. The other states keep theirs, so what is made of them may be kept.
  func stale(on chain: BackendChain, changing names: [String]) throws -> Fault? {
    var others = start
    for name in names { others[name] = start[name]?.map { Double(Float($0 * 0.75)) } }
    let executor = try ProgramExecutor(program, on: chain, states: StateStore())
    try executor.fill(others)
    try executor.run()
    let replaced = Set(program.calls.flatMap { $0.outputs.compactMap { $0 } })
    let same = program.values(.state).filter { !replaced.contains($0) }.map { program.values[$0].name }
    let untouched = Set(same).subtracting(names)
    try executor.fill(start.filter { !untouched.contains($0.key) })
    try executor.run()
    guard let fault = fault(try executor.results([]), against: expected) else { return nil }
    return try self.fault(on: chain) == nil ? fault : nil
  }

  /// Whether one of `chains` has other bits than the first one; its place and what differs.
  func difference(between chains: [BackendChain]) throws -> (place: Int, name: String)? {
    try Self.difference(count: chains.count) { try Self.results(ReplayFile(program, start), on: chains[$0], []) }
  }

  /// Whether one of `count` runs of one executable, each from the same numbers, has other bits than the first one.
  func difference(amongRuns count: Int, on chain: BackendChain) throws -> (place: Int, name: String)? {
    let executor = try ProgramExecutor(program, on: chain, states: StateStore())
    return try Self.difference(count: count) { _ in
      try executor.fill(start)
      try executor.run()
      return try executor.results([])
    }
  }

  private static func difference(
    count: Int, _ results: (Int) throws -> [String: [Double]]
  ) throws -> (place: Int, name: String)? {
    let first = try results(0)
    for place in 1..<count {
      for (name, numbers) in try results(place).sorted(by: { $0.key < $1.key })
      // One NaN is as good as another.
      where !zip(numbers, first[name] ?? []).allSatisfy({ $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN }) {
        return (place, name)
      }
    }
    return nil
  }

  private func fault(_ found: [String: [Double]], against expected: [String: [Double]]) -> Fault? {
    var worst: Fault?
    for (name, numbers) in found.sorted(by: { $0.key < $1.key }) {
      guard let limit = limits[name] else { continue }
      let right = expected[name] ?? []
      let error = spreads ? Self.lostNaN(numbers, right) : Self.error(numbers, right, since: start[name])
      guard !(error <= limit), error / limit > worst.map({ $0.error / $0.limit }) ?? 0 || error.isNaN else { continue }
      worst = Fault(name: name, error: error, limit: limit)
    }
    return worst
  }

  private static func results(
    _ replay: ReplayFile, on chain: BackendChain, _ taps: Set<Int>, sharesMemory: Bool = true
  ) throws -> [String: [Double]] {
    let executor = try ProgramExecutor(
      replay.program, on: chain, states: StateStore(), taps: taps, sharesMemory: sharesMemory)
    try executor.fill(replay.values)
    try executor.run()
    return try executor.results(taps)
  }

  /// Infinite where a NaN of `expected` is missing in `found`, else 0.
  private static func lostNaN(_ found: [Double], _ expected: [Double]) -> Double {
    zip(found, expected).contains { !$0.isNaN && $1.isNaN } ? .infinity : 0
  }

  /// ‖found − expected‖ in units of ‖expected‖, or of how much `expected` changed since `start`. Numbers that are not
  /// finite are the same or not.
  private static func error(_ found: [Double], _ expected: [Double], since start: [Double]?) -> Double {
    var (difference, size) = (0.0, 0.0)
    for (element, (a, b)) in zip(found, expected).enumerated() {
      guard a.isFinite, b.isFinite else {
        if a == b || a.isNaN && b.isNaN { continue }
        return .infinity
      }
      let change = b - (start?[element] ?? 0)
      difference += (a - b) * (a - b)
      size += change * change
    }
    guard difference > 0 else { return 0 }
    // What does not change at all has changed.
    return size > 0 ? (difference / size).squareRoot() : .infinity
  }
}

extension ProgramExecutor {
  /// Outputs, states and the `taps` after a run, by name.
  fileprivate func results(_ taps: Set<Int>) throws -> [String: [Double]] {
    var results = try outputs()
    for id in program.values(.state) { results[program.values[id].name] = try numbers(of: id) }
    for call in program.calls {
      for id in call.outputs.compactMap({ $0 }) where taps.contains(id) {
        results["the result of \(call.label) (%\(id))"] = try numbers(of: id)
      }
    }
    return results
  }
}

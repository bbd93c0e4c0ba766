import Foundation
import SwitchbackExecution
import SwitchbackPrograms

/// A program as training runs it: the candidate takes what it accepts and the reference the rest, states are states,
/// memory is shared as the plan has it, and nobody looks at a value between. Lockstep looks at every one, and a backend
/// that writes what is looked at fuses nothing there.
///
/// Only outputs and changed states are judged, each as a whole. Rounding carries through a network, and now and then
/// opens a gate that is closed elsewhere, so what Float32 costs the reference itself is the measure.
struct SegmentRun {
  /// What is wrong: a name, how far it is off (relative L2 of the change of a state, of an output itself), and how far it
  /// may be.
  struct Fault {
    var name: String
    var error: Double
    var limit: Double
  }

  private let program: Program
  private let start: [String: [Double]]
  private let expected: [String: [Double]]
  /// By name, of the reference in Float32 against Float64.
  private let limits: [String: Double]

  /// Right kernels add up in other orders, some in more places than the reference; a sum of ten bits is off by 5e-4.
  private static let (factor, least) = (20.0, 2e-5)

  init(_ replay: ReplayFile, reference: BackendChain) throws {
    (program, start) = (replay.program, replay.values)
    let taps = Set(program.values(.temporary))
    expected = try Self.results(replay, on: reference, taps)
    let truth = try Self.results(ReplayFile(try program.converted(to: .float64), start), on: reference, taps)
    var limits: [String: Double] = [:]
    for (name, numbers) in expected {
      let own = Self.error(numbers, truth[name] ?? [], since: start[name])
      limits[name] = max(Self.factor * own, Self.least)
    }
    self.limits = limits
  }

  /// The worst of what `chain` makes otherwise, while somebody looks at `taps`; nil where all is right.
  func fault(on chain: BackendChain, _ taps: Set<Int> = []) throws -> Fault? {
    let found = try Self.results(ReplayFile(program, start), on: chain, taps)
    var worst: Fault?
    for (name, numbers) in found.sorted(by: { $0.key < $1.key }) {
      let error = Self.error(numbers, expected[name] ?? [], since: start[name])
      let limit = limits[name] ?? Self.least
      guard !(error <= limit), error / limit > worst.map({ $0.error / $0.limit }) ?? 0 || error.isNaN else { continue }
      worst = Fault(name: name, error: error, limit: limit)
    }
    return worst
  }

  /// Outputs, states and taps after one run, by name.
  private static func results(
    _ replay: ReplayFile, on chain: BackendChain, _ taps: Set<Int>
  ) throws -> [String: [Double]] {
    let (program, states) = (replay.program, StateStore())
    let executor = try ProgramExecutor(program, on: chain, states: states, taps: taps)
    try executor.fill(replay.values)
    try executor.run()
    var results: [String: [Double]] = [:]
    for output in program.outputs {
      let type = program.values[output.value].type
      results[output.name] = try executor.withValue(output.value) { ProgramEvaluation.load($0, type) }
    }
    for id in program.values(.state) {
      let (name, type) = (program.values[id].name, program.values[id].type)
      results[name] = try executor.withValue(id) { ProgramEvaluation.load($0, type) }
    }
    for call in program.calls {
      for id in call.outputs.compactMap({ $0 }) where taps.contains(id) {
        let type = program.values[id].type
        results["the result of \(call.label) (%\(id))"] = try executor.withValue(id) {
          ProgramEvaluation.load($0, type)
        }
      }
    }
    return results
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

extension ConformanceSuite {
  /// The program as it is trained, on the candidate with the reference behind it. What is wrong is made as small as it
  /// can be, so that it has a name.
  public func segments(_ replay: ReplayFile) throws -> ConformanceReport.Verdict {
    let chain = BackendChain(candidate.links + reference.links, host: candidate.host)
    let plan = try ExecutionPlan(replay.program, chain: chain, taps: [])
    guard plan.placements.contains(where: { $0.link == 0 }) else { return .declined("nothing of it is taken") }
    let whole = try SegmentRun(replay, reference: reference)
    for taps in [[]] + taps(of: replay.program).map({ [$0] }) {
      func fault(_ replay: ReplayFile) throws -> SegmentRun.Fault? {
        let made = Set(replay.program.calls.flatMap { $0.outputs.compactMap { $0 } })
        guard taps.allSatisfy(made.contains) else { return nil }
        return try SegmentRun(replay, reference: reference).fault(on: chain, Set(taps))
      }
      guard let first = try whole.fault(on: chain, Set(taps)), try fault(replay.scaled) != nil else { continue }
      let smallest = try replay.shrunk(on: reference) { try fault($0) != nil }
      let labels = smallest.program.calls.map(\.label)
      let words = labels.count > 6 ? labels.prefix(3) + ["…"] + labels.suffix(2) : labels[...]
      let error = try fault(smallest) ?? first
      let who = labels.count == 1 ? "\(words.joined()) is" : "\(words.joined(separator: ", ")) together are"
      let when = taps.isEmpty ? "as training runs it, with nobody looking" : "while somebody looks at one value"
      return .failed(
        "\(who) wrong on \(candidate.links[0].name) \(when): \(error.name) is \(error.error.short) off, and rounding "
          + "explains \(error.limit.short)", replay: smallest)
    }
    return .passed(worst: 0)
  }

  /// Values to look at, one at a time: all of a short program, a few of a long one.
  private func taps(of program: Program) -> [Int] {
    let made = program.calls.flatMap { $0.outputs.compactMap { $0 } }.filter { program.values[$0].role == .temporary }
    guard made.count > 8 else { return made }
    let count = isQuick ? 1 : 10
    return (0..<count).map { made[($0 * made.count / count + Int(seed)) % made.count] }
  }
}

extension ReplayFile {
  /// The same with other numbers: a gate that only rounding opens is no fault twice.
  fileprivate var scaled: ReplayFile {
    var replay = self
    for id in program.values(.input) where program.values[id].type.elementType.isFloatingPoint {
      let name = program.values[id].name
      replay.values[name] = values[name]?.map { Double(Float($0 * 1.0078)) }
    }
    return replay
  }
}

extension Double {
  fileprivate var short: String {
    self < 1e-2 || self > 1e4 ? String(format: "%.1e", self) : String(format: "%.3g", self)
  }
}

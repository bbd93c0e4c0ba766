import SwitchbackExecution
import SwitchbackPrograms

/// Training steps one after the other, each backend from its own weights: whether a network learns on a backend as it
/// does on the reference. Lockstep says where an operation is wrong; this says whether all of it together trains.
public struct TrainingRun: Sendable {
  public let name: String
  /// A training step with the output `loss`, and the numbers of its states before the first step.
  public let start: ReplayFile
  public let stepCount: Int
  /// Whoever gives an executor of the program the inputs and step values of the step with a number, from 0.
  public typealias Feed = (_ step: Int) throws -> Void
  private let feed: @Sendable (ProgramExecutor) throws -> Feed

  public init(
    name: String, start: ReplayFile, stepCount: Int, feed: @escaping @Sendable (ProgramExecutor) throws -> Feed
  ) {
    (self.name, self.start, self.stepCount, self.feed) = (name, start, stepCount, feed)
  }

  /// The loss of each step. `isFresh`: of a new executable each.
  func losses(on chain: BackendChain, isFresh: Bool = false) throws -> [Double] {
    let states = StateStore()
    var executor = try ProgramExecutor(start.program, on: chain, states: states)
    try executor.fill(start.values)
    var feed = try self.feed(executor)
    return try (0..<stepCount).map { step in
      if isFresh {
        executor = try ProgramExecutor(start.program, on: chain, states: states)
        feed = try self.feed(executor)
      }
      try feed(step)
      try executor.run()
      return try executor.withOutput("loss") { Double($0.load(as: Float.self)) }
    }
  }

  /// What the steps with these numbers are given on `chain`, whose runs do not overlap: its states before them, their
  /// batches.
  func replays(at steps: Set<Int>, on chain: BackendChain) throws -> [(step: Int, replay: ReplayFile)] {
    let executor = try ProgramExecutor(start.program, on: chain, states: StateStore())
    try executor.fill(start.values)
    let feed = try self.feed(executor)
    let program = executor.program
    var replays: [(Int, ReplayFile)] = []
    for step in 0..<stepCount {
      try feed(step)
      if steps.contains(step) {
        var values = start.values
        for id in program.values.indices where program.values[id].role != .temporary {
          values[program.values[id].name] = try executor.numbers(of: id)
        }
        replays.append((step, ReplayFile(start.program, values)))
      }
      try executor.run()
    }
    return replays
  }

  /// Whether the losses tell of the same learning: rounding drives two right runs apart, but by little in so few steps.
  ///
  /// The last fifth must lie within 2 % of what the reference learned in all, and the reference must have learned.
  static func fault(_ found: [Double], _ expected: [Double]) -> String? {
    func mean(_ losses: ArraySlice<Double>) -> Double { losses.reduce(0, +) / Double(max(losses.count, 1)) }
    let part = max(expected.count / 5, 1)
    let (first, last) = (mean(expected.prefix(part)), mean(expected.suffix(part)))
    let learned = first - last
    guard learned > 0.1 * abs(first) else { return "the reference itself does not learn: \(first), then \(last)" }
    let reached = mean(found.suffix(part))
    guard abs(reached - last) <= 0.02 * learned else {
      return "the loss comes to \(reached); on the reference it falls from \(first) to \(last)"
    }
    return nil
  }
}

extension ConformanceSuite {
  /// What the backend declines runs on the reference.
  func train(_ run: TrainingRun) throws -> ConformanceReport.Verdict {
    let chain = candidateWithReference
    let plan = try ExecutionPlan(run.start.program, chain: chain, taps: [])
    guard plan.placements.contains(where: { $0.link == 0 }) else { return .declined("nothing of it is taken") }
    let expected = try run.losses(on: reference)
    guard let fault = TrainingRun.fault(try run.losses(on: chain), expected) else { return .passed(worst: 0) }
    // A loss names nobody: its steps are asked one by one.
    let steps = Set([0, 1, 5, 20, run.stepCount - 1])
    for (step, replay) in try run.replays(at: steps, on: reference) {
      for ask in [lockstep, { try segments($0) }] {
        guard case .failed(let message, let smallest) = try ask(replay) else { continue }
        return .failed("\(fault); in step \(step + 1) \(message)", replay: smallest)
      }
    }
    let healed = TrainingRun.fault(try run.losses(on: chain, isFresh: true), expected) == nil
    let labels = run.start.program.calls.map(\.operation.name)
    let names = labels.indices.filter { !labels[..<$0].contains(labels[$0]) }.map { labels[$0] }
    return .failed(
      "\(run.start.program.calls.count) operations (\(names.joined(separator: ", "))) are wrong only over many steps: "
        + fault
        + (healed
          ? "; it is right with a new executable for each step: contents kept across runs"
          : "; every operation and segment of steps \(steps.sorted().map { "\($0 + 1)" }.joined(separator: ", ")) is right"),
      replay: nil)
  }
}

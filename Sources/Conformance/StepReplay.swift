import SwitchbackBackendKit
package import SwitchbackExecution
package import SwitchbackPrograms

/// A step of a training run again, on copies of its states and of what it was given, so that its operations can be judged
/// on the operands that they have in training.
///
/// The step runs as it does in training: on its own backends, with the same segments, but with the operands and results of
/// the judged calls written, and in memory of its own: nothing that the run goes on with is touched. The reference computes
/// each of these calls in Float64 on the very operands that the backend had, at most a `CheckedBlock` of it, and the bound
/// is the operation's own (`ErrorBound`), as in `Lockstep`.
package final class StepReplay {
  /// What came of one call.
  package enum Outcome: Sendable {
    /// The error, in units of what is allowed.
    case right(Double)
    case wrong(OperationFault)
    /// It cannot be judged: too much for the reference, not finite, or a state that is replaced twice.
    case skipped(reason: String)
  }

  package let program: Program
  private let plan: ExecutionPlan
  private let chain: BackendChain
  private let reference: BackendChain
  /// By name.
  private let states: [String: [UInt8]]
  /// Inputs and step values, by value.
  private var given: [Int: [UInt8]] = [:]

  /// The step that `executor` was given last, from `states` on: those of `copies`, taken before the step or behind it.
  package init(
    _ executor: ProgramExecutor, on chain: BackendChain, reference: BackendChain, states: [String: [UInt8]]
  ) throws {
    (program, plan, self.chain, self.reference, self.states) =
      (executor.program, executor.plan, chain, reference, states)
    for id in program.values(.input) + program.values(.step) { given[id] = try executor.withValue(id) { Array($0) } }
  }

  /// The contents of all states.
  package static func copies(of store: StateStore) throws -> [String: [UInt8]] {
    var copies: [String: [UInt8]] = [:]
    for name in store.states.keys { copies[name] = try store.withBytes(of: name) { Array($0) } }
    return copies
  }

  /// The calls of a plan that somebody else than the reference computes: those that can be judged by it. A reshape computes
  /// nothing, and the statistics of probes are for those who watch.
  package static func judgedCalls(of plan: ExecutionPlan) -> [Int] {
    plan.program.calls.indices.filter { index in
      let operation = plan.program.calls[index].operation
      return plan.backends[plan.placements[index].link] != "reference"
        && !(operation is Reshape) && !(operation is Statistics)
    }
  }

  /// Whether there is a part of the call, or the whole, that the reference has soon done; its arithmetic.
  package static func flops(of call: Int, in program: Program) -> Int? {
    let call = program.calls[call]
    return CheckedBlock(call.operation, call.inputs.map { program.values[$0].type })?.flops
  }

  /// What a replay that writes the operands and results of a call needs beside the step's own memory, in bytes.
  package func writtenBytes(of call: Int) -> Int {
    taps(of: call).reduce(0) { $0 + program.values[$1].type.byteCount }
  }

  // MARK: Running

  private func taps(of call: Int) -> Set<Int> {
    let call = program.calls[call]
    return Set(call.inputs + call.outputs.compactMap { $0 }).filter { program.values[$0].role == .temporary }
  }

  /// Runs the step with the operands and results of the calls written. Before that it has run from other states, so that
  /// whatever a backend keeps of a run, or forgets to clear, is out of date as it is in training.
  package func run(writing calls: [Int]) throws -> ProgramExecutor {
    let store = StateStore()
    for id in program.values(.state) { _ = try store.state(program.values[id].name, program.values[id].type) }
    let executor = try ProgramExecutor(
      program, on: chain, states: store, taps: calls.reduce(into: Set()) { $0.formUnion(taps(of: $1)) })
    for factor: Float in [0.75, 1] {
      for id in program.values(.state) { try fill(program.values[id], of: store, times: factor) }
      for (id, bytes) in given {
        try executor.withInput(program.values[id].name) { $0.copyBytes(from: bytes) }
      }
      try executor.run()
    }
    return executor
  }

  private func fill(_ value: Program.ValueInfo, of store: StateStore, times factor: Float) throws {
    guard let bytes = states[value.name] else { return }
    try store.withMutableBytes(of: value.name) { target in
      target.copyBytes(from: bytes)
      guard factor != 1, value.type.elementType == .float32 else { return }
      let numbers = target.bindMemory(to: Float.self)
      for index in numbers.indices { numbers[index] *= factor }
    }
  }

  // MARK: Judging

  /// Judges a call in a run that wrote its operands and results; `turn` draws the part.
  package func judge(_ index: Int, in run: ProgramExecutor, turn: Int = 0) throws -> Outcome {
    let call = program.calls[index]
    let types = call.inputs.map { program.values[$0].type }
    guard let block = CheckedBlock(call.operation, types, turn: turn) else {
      return .skipped(reason: "too much for the reference")
    }
    guard let seen = try look(at: index, in: run, block) else {
      return .skipped(reason: "a state that is replaced more than once")
    }
    // What is not finite has a law of its own, and the call that made the first of it has finite operands.
    guard seen.scale < Self.mostScale else { return .skipped(reason: "its operands are not finite, or nearly") }
    let check = try CallCheck(call, on: block.types)
    let truth = try check.truth(seen.operands, on: reference)
    guard truth.allSatisfy({ $0.allSatisfy { abs($0) < Self.mostScale } }) else {
      return .skipped(reason: "its results are not finite, or nearly")
    }
    let limit = try limit(index)
    let error = error(seen, truth, of: call)
    guard !(error <= limit) else { return .right(error / limit) }
    let fault = try fault(index, block, seen, truth, error: error, limit: limit)
    // A fused kernel may have made the result of numbers that it had not rounded yet.
    if fault.fault.form == .fused, Self.apart(seen.results, truth) < Self.leastFused { return .right(1) }
    return .wrong(fault)
  }

  /// Relative L2 of what is wrong within its segment alone; whatever rounding does is less (`SegmentRun`).
  private static let leastFused = 1e-3

  private static func apart(_ found: [[Double]?], _ truth: [[Double]]) -> Double {
    var worst = 0.0
    for (found, truth) in zip(found, truth) {
      guard let found else { continue }
      let squares = zip(found, truth).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      let norm = truth.reduce(0) { $0 + $1 * $1 }
      let apart = squares == 0 ? 0 : (squares / max(norm, 1e-60)).squareRoot()
      // What is no number is the worst of all.
      worst = max(worst, apart.isNaN ? .infinity : apart)
    }
    return worst
  }

  /// Near the end of Float32 a sum overflows in one order and not in another.
  private static let mostScale = 1e30

  /// What a call read and wrote in a run.
  private struct Seen {
    /// The part of each operand.
    var operands: [[Double]] = []
    /// The part of each result; nil of one that nobody reads.
    var results: [[Double]?] = []
    /// The largest magnitude of the whole floating-point operands; infinite where one is not finite.
    var scale = 0.0
    /// Of each whole result: the root of the mean square of its finite elements.
    var meanSizes: [Double] = []
  }

  private func look(at index: Int, in run: ProgramExecutor, _ block: CheckedBlock) throws -> Seen? {
    let call = program.calls[index]
    var seen = Seen()
    for (place, id) in call.inputs.enumerated() {
      let type = program.values[id].type
      func read(_ bytes: UnsafeRawBufferPointer) {
        let part = ProgramEvaluation.load(bytes, type, at: block.operands[place])
        seen.operands.append(part)
        // A Double holds no more of a whole number.
        if type.elementType == .int64, part.contains(where: { abs($0) >= 0x1p53 }) { seen.scale = .infinity }
        if type.elementType == .float32 {
          seen.scale = bytes.bindMemory(to: Float.self).reduce(seen.scale) { scale, number in
            number.isFinite ? max(scale, Double(abs(number))) : .infinity
          }
        }
      }
      switch whenRead(id, by: index) {
      case .before: (states[program.values[id].name] ?? []).withUnsafeBytes(read)
      case .after: try run.withValue(id, read)
      case .never: return nil
      }
    }
    for (place, id) in call.outputs.enumerated() {
      guard let id else {
        seen.results.append(nil)
        seen.meanSizes.append(0)
        continue
      }
      guard !isReplaced(id, behind: index) else { return nil }
      let type = program.values[id].type
      try run.withValue(id) { bytes in
        seen.results.append(ProgramEvaluation.load(bytes, type, at: block.results[place]))
        seen.meanSizes.append(type.elementType == .float32 ? Self.meanSize(bytes.bindMemory(to: Float.self)) : 0)
      }
    }
    return seen
  }

  private static func meanSize(_ numbers: UnsafeBufferPointer<Float>) -> Double {
    let squares = numbers.reduce(0.0) { $1.isFinite ? $0 + Double($1) * Double($1) : $0 }
    return (squares / Double(max(numbers.count, 1))).squareRoot()
  }

  private enum Reading { case before, after, never }

  /// Where what a call read of a value is to be found: before the step, or behind it.
  private func whenRead(_ id: Int, by index: Int) -> Reading {
    guard program.values[id].role == .state else { return .after }
    guard program.calls[..<index].contains(where: { $0.outputs.contains(id) }) else { return .before }
    return program.calls[index...].contains { $0.outputs.contains(id) } ? .never : .after
  }

  private func isReplaced(_ id: Int, behind index: Int) -> Bool {
    program.values[id].role == .state && program.calls[(index + 1)...].contains { $0.outputs.contains(id) }
  }

  /// How many of its bounds an operation may be off within a segment: twice as many as alone, as in `Lockstep`.
  private func limit(_ index: Int) throws -> Double {
    let whole = try CallCheck(program.calls[index], of: program)
    switch try chain.links[plan.placements[index].link].device.query(Segment(whole.program))[0] {
    // It is taken only together with others, and then by the rule.
    case .decline: return 2
    case .accept(let factor, _), .acceptWithPrevious(let factor, _): return 2 * factor
    }
  }

  /// In units of the bound, the largest over the results.
  private func error(_ seen: Seen, _ truth: [[Double]], of call: Program.Call) -> Double {
    let types = call.inputs.map { program.values[$0].type }
    let bound = call.operation.errorBound(for: types)
    let numbers = zip(seen.operands, types).filter { $1.elementType.isFloatingPoint }.map { $0.0 }
    var worst = 0.0
    for (place, found) in seen.results.enumerated() {
      guard let found, place < truth.count else { continue }
      let isExact = bound == .exact
      let (a, b) = (isExact ? Self.flushed(found) : found, isExact ? Self.flushed(truth[place]) : truth[place])
      let error = a.withUnsafeBufferPointer { a in
        b.withUnsafeBufferPointer { BoundError(bound, operands: numbers, scale: seen.scale)(a, $0) }
      }
      worst = max(worst, error / Self.slack(bound, truth[place], meanSize: seen.meanSizes[place]))
    }
    return worst
  }

  /// A device may take what is below the normal numbers of Float32 for 0: gradients that vanish come there.
  private static func flushed(_ numbers: [Double]) -> [Double] { numbers.map { abs($0) < 0x1p-126 ? 0 : $0 } }

  /// A bound of a sum is relative to the whole result, and a part of it may be small by chance, where terms cancel: it
  /// counts as at least as large as the whole is on average.
  private static func slack(_ bound: ErrorBound, _ truth: [Double], meanSize: Double) -> Double {
    switch bound {
    case .exact, .ulps, .ulpsOfLargest: return 1
    case .accumulation, .sums:
      let norm = truth.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let usual = meanSize * Double(truth.count).squareRoot()
      return max(1, usual / max(norm, 1e-30))
    }
  }

  // MARK: A fault

  /// Says all that is known of a wrong result: whether it comes again, whether the operation is wrong alone, and what shows
  /// it elsewhere.
  private func fault(
    _ index: Int, _ block: CheckedBlock, _ seen: Seen, _ truth: [[Double]], error: Double, limit: Double
  ) throws -> OperationFault {
    let link = chain.links[plan.placements[index].link]
    let check = try CallCheck(program.calls[index], on: block.types)
    // Who says so must say it twice.
    let comesAgain = try look(at: index, in: run(writing: [index]), block).map { again in
      let right = again.operands == seen.operands ? truth : try check.truth(again.operands, on: reference)
      return !(self.error(again, right, of: program.calls[index]) <= limit)
    }
    let alone = try shownAlone(index, check, block, seen, truth)
    let found = seen.results.enumerated().map { place, result in result ?? truth[min(place, truth.count - 1)] }
    var fault = CallFault(
      alone == nil ? .fused : .operation, link.name, check, error: error, found, truth, seen.operands)
    let replay = alone ?? wholeStep
    if let replay { fault.replay = replay }
    return OperationFault(
      fault: fault, path: check.call.path, limit: limit, comesAgain: comesAgain ?? false, link: link, replay: replay)
  }

  /// The smallest program of the call alone that shows the fault on its backend: of the part, else of the whole.
  private func shownAlone(
    _ index: Int, _ part: CallCheck, _ block: CheckedBlock, _ seen: Seen, _ truth: [[Double]]
  ) throws -> ReplayFile? {
    let candidate = BackendChain([chain.links[plan.placements[index].link]], host: chain.host)
    // What is taken only together with others has no program of its own.
    if let found = try? part.results(seen.operands, on: candidate), !(part.error(found, truth, seen.operands) <= 1) {
      return ReplayFile(part.program, part.named(seen.operands))
    }
    let types = program.calls[index].inputs.map { program.values[$0].type }
    guard types != block.types,
      types.reduce(0, { $0 + $1.shape.elementCount }) <= Self.mostWritten,
      let all = CheckedBlock.whole(program.calls[index].operation, types),
      let whole = try look(at: index, in: try run(writing: [index]), all)
    else { return nil }
    let check = try CallCheck(program.calls[index], of: program)
    guard let found = try? check.results(whole.operands, on: candidate) else { return nil }
    let shown = zip(found, block.results).enumerated().map { place, pair in
      check.taken(pair.0, of: place, at: pair.1)
    }
    return part.error(shown, truth, seen.operands) <= 1 ? nil : ReplayFile(check.program, check.named(whole.operands))
  }

  /// The step itself, where its text stays within what people send each other.
  private var wholeStep: ReplayFile? {
    let operands = program.values.indices.filter { program.values[$0].role != .temporary }
    let count = operands.reduce(0) { $0 + program.values[$1].type.shape.elementCount }
    guard count <= Self.mostWritten else { return nil }
    var values: [String: [Double]] = [:]
    for id in operands {
      let (name, type) = (program.values[id].name, program.values[id].type)
      values[name] = (given[id] ?? states[name])?.withUnsafeBytes { ProgramEvaluation.load($0, type) }
    }
    return ReplayFile(program, values)
  }

  /// Numbers in a text of some ten megabytes.
  private static let mostWritten = 1 << 20
}

/// An operation of a training step that its backend computed wrongly.
package struct OperationFault: Sendable {
  package var fault: CallFault
  /// The layer's.
  package var path: String
  /// What is allowed, in the units of `fault.error`.
  package var limit: Double
  /// Whether it is wrong in a second replay of the step, too.
  package var comesAgain: Bool
  package var link: BackendChain.Link
  /// What shows it elsewhere; nil where it would be too large.
  package var replay: ReplayFile?
}

extension CallCheck {
  /// Of a whole result the elements at these places.
  fileprivate func taken(_ result: [Double], of place: Int, at taken: [[Int]?]) -> [Double] {
    guard let types = try? call.operation.outputTypes(for: sample.inputs), place < types.count,
      result.count == types[place].shape.elementCount
    else { return result }
    return CheckedBlock.part(of: result, in: types[place].shape, at: taken)
  }
}

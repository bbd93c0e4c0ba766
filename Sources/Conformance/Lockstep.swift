import SwitchbackBackendKit
public import SwitchbackExecution
public import SwitchbackPrograms

/// A program on a backend, judged operation by operation.
///
/// Comparing final results proves nothing: one unit in the last place flips a pooling tie, and from there on two right
/// backends go different ways. So each operation is fed with the reference's numbers, and judged in Float64 by its own
/// bound, then again by the same executable after other operands; chains of operations that may become one kernel are
/// compared with their links; then the whole segment is run with every value written, and each operation of it compared
/// with itself alone on the very numbers that it got.
public struct Lockstep: Sendable {
  /// In the order of the program; those of a form wrong by itself first.
  public private(set) var faults: [CallFault] = []
  /// Labels of operations that the backend declines, with its reasons.
  public private(set) var declined: [(label: String, reason: String)] = []
  public private(set) var checkedCount = 0
  /// The largest error of an operation that passed, in units of its bound.
  public private(set) var worst = 0.0

  /// `candidate` and `reference` hold one backend each; `values` gives inputs, step values and states by name.
  public init(
    _ program: Program, _ values: [String: [Double]], on candidate: BackendChain, reference: BackendChain
  ) throws {
    let checks = try program.calls.map { try CallCheck($0, of: program) }
    let accepted = try Self.verdicts(checks, candidate.links[0].device, &declined)
    let factors = accepted.map { $0 ?? 1 }
    try checkOperations(program, values, checks, accepted, factors, candidate, reference)
    guard accepted.allSatisfy({ $0 != nil }), !checks.isEmpty else { return }
    try checkFused(program, values, checks, factors, candidate)
  }

  /// The error factor of each accepted operation.
  private static func verdicts(
    _ checks: [CallCheck], _ device: any ComputeDevice, _ declined: inout [(label: String, reason: String)]
  ) throws -> [Double?] {
    try checks.map { check in
      switch try device.query(Segment(check.program))[0] {
      case .decline(let reason):
        declined.append((check.call.label, reason))
        return nil
      case .accept(let factor, _), .acceptWithPrevious(let factor, _): return factor
      }
    }
  }

  private static func initial(_ program: Program, _ values: [String: [Double]]) -> [Int: [Double]] {
    var current: [Int: [Double]] = [:]
    for (id, value) in program.values.enumerated() where value.role != .temporary {
      current[id] = values[value.name] ?? [Double](repeating: 0, count: value.type.shape.elementCount)
    }
    return current
  }

  private mutating func checkOperations(
    _ program: Program, _ values: [String: [Double]], _ checks: [CallCheck], _ accepted: [Double?],
    _ factors: [Double], _ candidate: BackendChain, _ reference: BackendChain
  ) throws {
    var current = Self.initial(program, values)
    var uses = [Int](repeating: 0, count: program.values.count)
    for id in program.calls.flatMap(\.inputs) + program.outputs.map(\.value) { uses[id] += 1 }
    for (index, check) in checks.enumerated() {
      let inputs = check.call.inputs.map { current[$0] ?? [] }
      let expected = try check.results(inputs, on: reference)
      // Chains are asked for what was before this operation replaced a state.
      defer { for (id, result) in zip(check.call.outputs, expected) { if let id { current[id] = result } } }
      guard accepted[index] != nil else { continue }
      checkedCount += 1
      let found = try check.results(inputs, on: candidate)
      let truth = try check.truth(inputs, on: reference)
      judge(.operation, check, candidate, found, truth, inputs, factor: factors[index])
      let again = try check.results(inputs, on: candidate, isRepeated: true)
      judge(.repeated, check, candidate, again, truth, inputs, factor: factors[index])
      for count in 2...3 {
        guard
          let chain = try Chain(endingAt: index, count: count, of: program, checks, uses: uses, current),
          accepted[(index - count + 1)...index].allSatisfy({ $0 != nil }),
          !chain.checks.contains(where: { check in faults.contains { $0.label == check.call.label } })
        else { break }
        let results = try chain.results(on: candidate)
        judge(
          .fused, check, candidate, [results.found], [results.expected], results.inputs, factor: 2 * factors[index],
          replay: ReplayFile(chain.program, chain.values))
      }
    }
  }

  private mutating func checkFused(
    _ program: Program, _ values: [String: [Double]], _ checks: [CallCheck], _ factors: [Double],
    _ candidate: BackendChain
  ) throws {
    let temporaries = Set(
      program.calls.flatMap { $0.outputs.compactMap { $0 } }.filter { program.values[$0].role == .temporary })
    let states = StateStore()
    let executor = try ProgramExecutor(program, on: candidate, states: states, taps: temporaries)
    try executor.fill(values)
    try executor.run()
    var current = Self.initial(program, values)
    for (index, check) in checks.enumerated() {
      let inputs = check.call.inputs.map { current[$0] ?? [] }
      var found: [[Double]] = []
      for id in check.call.outputs {
        let result = try id.map(executor.numbers(of:)) ?? []
        if let id { current[id] = result }
        found.append(result)
      }
      let alone = zip(try check.results(inputs, on: candidate), check.call.outputs).map { $1 == nil ? [] : $0 }
      // Two right forms may each be a bound away from the truth.
      judge(.fused, check, candidate, found, alone, inputs, factor: 2 * factors[index])
    }
  }

  private mutating func judge(
    _ form: CallFault.Form, _ check: CallCheck, _ candidate: BackendChain, _ found: [[Double]],
    _ expected: [[Double]], _ inputs: [[Double]], factor: Double, replay: ReplayFile? = nil
  ) {
    let error = check.error(found, expected, inputs) / factor
    if error <= 1 {
      worst = max(worst, error)
    } else if form == .operation || !faults.contains(where: { $0.label == check.call.label }) {
      var fault = CallFault(form, candidate.links[0].name, check, error: error, found, expected, inputs)
      if let replay { fault.replay = replay }
      faults.append(fault)
    }
  }
}

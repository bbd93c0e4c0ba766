import Foundation
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// Finds out whether it is the network or the backend, where a rule speaks.
///
/// The states that the next step starts with are copied, and the last batch is run on them again: the samples that the rule
/// has seen. Of a step that was held back these are the very states that it had. Where steps overlap the next one is under
/// way by then, and they are those behind it: `Proof.weightsOfStep` says so. Each operation of the replay is compared
/// with the reference in Float64 on the operands that the backend gave it.
struct BackendProof {
  private let reference: BackendChain
  /// Seconds after which operations are no longer asked.
  private let patience = 60.0

  init(reference: BackendChain) { self.reference = reference }

  /// What a replay says; of a backend with the fault.
  func proof(
    of finding: Finding, after result: TrainingSession.StepResult, in session: TrainingSession
  ) throws -> (proof: Proof, fault: OperationFault?) {
    let executor = result.executor.executor
    let calls = StepReplay.judgedCalls(of: executor.plan)
    guard !calls.isEmpty else { return (.ofReference, nil) }
    guard OperationRotation.hasRoom(for: executor.plan) else {
      return (.notAsked("there is no memory for the step a second time"), nil)
    }
    do {
      return try ask(
        StepReplay(executor, on: session.chain, reference: reference, states: StepReplay.copies(of: session.states)),
        calls, finding, executor)
    } catch {
      // The finding is worth more than its proof.
      return (.notAsked("the step could not be run again (\(error))"), nil)
    }
  }

  private func ask(
    _ replay: StepReplay, _ calls: [Int], _ finding: Finding, _ executor: ProgramExecutor
  ) throws -> (proof: Proof, fault: OperationFault?) {
    let deadline = ContinuousClock.now + .seconds(patience)
    var (checked, unchecked) = (0, 0)
    var isThere: Bool?
    for part in Self.parts(calls, of: replay, mostBytes: max(executor.plan.memory.arena, 64 << 20)) {
      guard ContinuousClock.now < deadline else {
        unchecked += part.count
        continue
      }
      let run = try replay.run(writing: part)
      if isThere == nil { isThere = try Self.isThere(finding, in: run, as: executor) }
      for call in part {
        guard ContinuousClock.now < deadline else {
          unchecked += 1
          continue
        }
        switch try replay.judge(call, in: run) {
        case .right: checked += 1
        case .skipped: unchecked += 1
        case .wrong(let fault): return (fault.proof, fault)
        }
      }
    }
    guard checked > 0 else { return (.notAsked("no operation could be compared with the reference"), nil) }
    return (
      isThere == true
        ? .network(checked: checked, unchecked: unchecked) : .notReproduced(checked: checked, unchecked: unchecked), nil
    )
  }

  /// The calls in order, as many at a time as need no more memory to be written than a step.
  private static func parts(_ calls: [Int], of replay: StepReplay, mostBytes: Int) -> [[Int]] {
    var (parts, bytes) = ([[Int]](), 0)
    for call in calls {
      let more = replay.writtenBytes(of: call)
      if parts.isEmpty || bytes + more > mostBytes { (parts, bytes) = (parts + [[]], 0) }
      parts[parts.count - 1].append(call)
      bytes += more
    }
    return parts
  }

  // MARK: Whether the trouble is there again

  /// A step that is not finite is so again; where gradients are too small or too large, the norms that the probes see are
  /// about those that the rule saw: within a decade, in the middle.
  private static func isThere(_ finding: Finding, in run: ProgramExecutor, as seen: ProgramExecutor) throws -> Bool {
    if finding.rule == NonFinite.name { return try !isFinite(run) }
    let outputs = run.program.outputs.map(\.name).filter { $0.hasPrefix("probe/") }
    let apart = try outputs.compactMap { name in
      try decades(norm(name, of: run), norm(name, of: seen))
    }.sorted()
    return apart.isEmpty || apart[apart.count / 2] <= 1
  }

  private static func isFinite(_ run: ProgramExecutor) throws -> Bool {
    let loss = try run.withOutput(StepOutput.loss) { $0.load(as: Float.self) }
    guard loss.isFinite, run.outputIfAny(named: StepOutput.isFinite) != nil else { return loss.isFinite }
    return try run.withOutput(StepOutput.isFinite) { $0.load(as: UInt8.self) != 0 }
  }

  /// Nil of what is no `statistics`.
  private static func norm(_ output: String, of run: ProgramExecutor) throws -> Double? {
    guard let value = run.program.output(named: output), run.program.values[value].type.elementType == .float64 else {
      return nil
    }
    return try run.withOutput(output) { TensorStatistics($0.bindMemory(to: Double.self)).l2 }
  }

  private static func decades(_ a: Double?, _ b: Double?) -> Double? {
    guard let a, let b else { return nil }
    if a == b { return 0 }
    guard a > 0, b > 0, a.isFinite, b.isFinite else { return .infinity }
    return abs(log10(a / b))
  }
}

extension OperationFault {
  /// The file for its program, and the proof without it.
  var proof: Proof {
    guard comesAgain else { return .notReproduced(fault.label, path: path, on: fault.backend) }
    return .backend(fault.backend, operation: fault.label, path: path, error: fault.error, limit: limit)
  }

  /// What is said of an operation that a check has found.
  func finding(step: Int) -> Finding {
    var evidence = ["error": fault.error, "limit": limit, "element": Double(fault.element)]
    (evidence["found"], evidence["expected"]) = (fault.found, fault.expected)
    return Finding(
      rule: OperationRotation.name, severity: .error, step: step, layers: path.isEmpty ? [] : [path],
      subject: fault.label, cause: "backend", evidence: evidence,
      message: "\(fault.backend) computes \(fault.label) wrongly on the operands of this run: \(fault).")
  }

  /// The command that runs a file of it.
  func command(file: String) -> String {
    let options = link.request.options.sorted { $0.key < $1.key }.flatMap { ["--option", "\($0.key)=\($0.value)"] }
    let words = ["switchback", "conformance", "--backend", link.request.name] + options + ["--program", file]
    return words.map { word in
      word.allSatisfy { $0.isLetter || $0.isNumber || "-_./=+:,@%".contains($0) }
        ? word : "'" + word.replacingOccurrences(of: "'", with: #"'\''"#) + "'"
    }.joined(separator: " ")
  }
}

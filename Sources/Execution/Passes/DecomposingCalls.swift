import SwitchbackBackendKit
import SwitchbackPrograms

/// What a chain makes of a program's composite operations.
struct DecomposedProgram {
  var program: Program
  /// The calls in whose place simpler ones stand.
  var parts: [Composite] = []
  /// By a result of a call that stays, why simpler ones do not take its place.
  var obstacles: [Int: String] = [:]
}

/// A call of a composite operation, and who computes it.
public struct Composite: Hashable, Sendable, Codable {
  /// `layers.1.layerNormalization/normalize`
  public var label: String
  public var backend: String
  /// How many simpler calls stand in its place; 0: it is computed whole.
  public var partCount: Int
  /// The backends before that do not take it whole, with their reasons.
  public var declined: [String: String]

  /// For people.
  public var words: String {
    let reasons = declined.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: "; ")
    let form = partCount == 0 ? "whole" : "as \(partCount) simpler operations"
    return "\(label) \(form) on \(backend)" + (reasons.isEmpty ? "" : " (\(reasons))")
  }
}

extension BackendChain {
  /// The backends that are asked before the reference, which computes everything and nothing fast.
  private var isBeforeReference: Range<Int> { 0..<(links.firstIndex { $0.name == "reference" } ?? links.count) }

  /// Replaces calls of composite operations by their decompositions: those that no backend before the reference takes
  /// whole, while the first backend of the chain takes each call of the decomposition. The others stay, for whoever takes
  /// them.
  ///
  /// It depends on the operations and the chain alone, not on a routing, so the programs over the same layers are
  /// decomposed alike and a decomposed program stays as it is.
  func decompose(_ program: Program) throws(ExecutionError) -> DecomposedProgram {
    let composites = program.calls.indices.filter { program.calls[$0].operation is any CompositeOperation }
    guard !composites.isEmpty, !isBeforeReference.isEmpty else { return DecomposedProgram(program: program) }
    var declined: [Int: [String: String]] = [:]
    var left = Set(composites)
    for link in isBeforeReference where !left.isEmpty {
      let verdicts = try verdicts(of: link, on: program)
      for call in left {
        if case .decline(let reason) = verdicts[call] {
          declined[call, default: [:]][links[link].name] = reason
        } else {
          left.remove(call)
        }
      }
    }
    guard !left.isEmpty else { return DecomposedProgram(program: program) }

    let attempt = try decomposed(program, left)
    var reasons = attempt.reasons
    for (verdict, (call, origin)) in zip(
      try verdicts(of: 0, on: attempt.program), zip(attempt.program.calls, attempt.origins))
    where left.contains(origin) && reasons[origin] == nil {
      guard case .decline(let reason) = verdict else { continue }
      reasons[origin] = "\(call.name) of its decomposition: \(reason)"
    }
    let replaced = left.filter { reasons[$0] == nil }
    let result = reasons.isEmpty ? attempt : try decomposed(program, replaced)
    var answer = DecomposedProgram(program: result.program)
    for call in replaced.sorted() {
      answer.parts.append(
        Composite(
          label: program.calls[call].label, backend: links[0].name, partCount: result.origins.count { $0 == call },
          declined: declined[call] ?? [:]))
    }
    for (call, reason) in reasons {
      for case let id? in program.calls[call].outputs { answer.obstacles[id] = reason }
    }
    return answer
  }

  /// The program as it is placed: with simpler operations where this chain needs them. Whoever numbers calls for a plan of
  /// this chain, or of one that is routed otherwise, starts from it.
  public func decomposing(_ program: Program) throws(ExecutionError) -> Program {
    try decompose(program.droppingDeadWork()).program.droppingDeadWork()
  }

  private func decomposed(
    _ program: Program, _ calls: Set<Int>
  ) throws(ExecutionError) -> Program.Decomposed {
    do {
      return try program.decomposing(calls)
    } catch {
      throw ExecutionError(.internal, error.path.isEmpty ? error.message : "\(error.path): \(error.message)")
    }
  }

  func verdicts(of link: Int, on program: Program) throws(ExecutionError) -> [Verdict] {
    let whole = Segment(program)
    do {
      return try links[link].device.query(whole)
    } catch {
      throw ExecutionError(error, backend: links[link].name, segment: whole)
    }
  }
}

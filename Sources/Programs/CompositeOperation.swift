/// An operation that simpler ones can compute too, so that a backend without a kernel of it need not leave it to another.
///
/// Whoever plans a program asks the backends for the whole operation first (`Execution/Passes/DecomposingCalls.swift`).
/// Conformance holds the decomposition to the bound and the special values that the operation states of itself.
public protocol CompositeOperation: TensorOperation {
  /// Appends simpler calls that compute the results from `operands`, or says why there are none.
  func decomposition(
    of operands: [Value], in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Decomposition
}

/// The answer of `CompositeOperation.decomposition`.
public enum Decomposition: Sendable {
  /// One value a result of the operation, of the same type. The calls that were appended made them: none is an operand,
  /// and none stands twice. No call is of a composite operation again.
  case results([Value])
  /// The operation is computed whole or not at all, for this reason.
  case none(reason: String)
}

extension Program {
  /// What `decomposing` answers.
  package struct Decomposed {
    package var program: Program
    /// For each call of `program` the call that it is, or is a part of.
    package var origins: [Int]
    /// Why a call that was to be decomposed has no decomposition.
    package var reasons: [Int: String] = [:]
  }

  /// The program with the decomposition in place of each composite call of `chosen`. What the call computed keeps its
  /// number and its name; the new calls have its path.
  package func decomposing(_ chosen: Set<Int>) throws(ProgramError) -> Decomposed {
    var builder = ProgramBuilder(name: name)
    builder.program = self
    builder.program.calls = []
    var result = Decomposed(program: self, origins: [])
    for (index, call) in calls.enumerated() {
      let first = builder.program.calls.count
      if chosen.contains(index), let operation = call.operation as? any CompositeOperation {
        builder.path = call.path
        switch try operation.decomposition(of: call.inputs.map(builder.value), in: &builder) {
        case .results(let results): try builder.program.rename(results, to: call, from: first)
        case .none(let reason):
          result.reasons[index] = reason
          builder.program.calls.append(call)
        }
      } else {
        builder.program.calls.append(call)
      }
      result.origins += builder.program.calls[first...].map { _ in index }
    }
    result.program = builder.build()
    return result
  }

  /// Lets the calls from `first` on write what `call` wrote, in place of `results`.
  private mutating func rename(_ results: [Value], to call: Call, from first: Int) throws(ProgramError) {
    let made = calls[first...].flatMap { $0.outputs.compactMap { $0 } }
    let isComplete =
      results.count == call.outputs.count && Set(results).count == results.count
      && results.allSatisfy { made.contains($0.id) }
    guard isComplete else {
      throw ProgramError(
        "the decomposition of \(call.operation.name) must make \(call.outputs.count) results, each by a call of its own",
        path: call.path)
    }
    var numbers: [Int: Int] = [:]
    for (result, output) in zip(results, call.outputs) {
      guard let output else { continue }
      guard values[output].type == result.type else {
        throw ProgramError(
          "the decomposition of \(call.operation.name) gives \(result.type), not \(values[output].type)",
          path: call.path)
      }
      numbers[result.id] = output
    }
    for index in first..<calls.count {
      calls[index].inputs = calls[index].inputs.map { numbers[$0] ?? $0 }
      calls[index].outputs = calls[index].outputs.map { $0.map { numbers[$0] ?? $0 } }
    }
  }
}

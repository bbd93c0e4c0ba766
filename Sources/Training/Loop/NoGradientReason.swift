import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackPrograms

extension TrainingSession {
  /// Why no gradient arrives where a finding says that it ends: what the inputs hold, how the biases of that layer began, and
  /// whether any update has moved its weights. Nil where nothing of it says more than the rows do.
  func reasonForNoGradient(_ finding: Finding, in result: StepResult) throws -> NoGradientCause? {
    // What rows say of dropout, zero weights and underflow is certain.
    guard finding.cause == nil || finding.cause == "update", let layer = finding.subject else { return nil }
    if try hasZeroInputs(result.executor.executor) { return .zeroInputs }
    let own = parameters.filter { $0.path == layer && $0.isTrainable }
    // A regularizer moves weights without a gradient, but hardly ever biases.
    guard let kept = own.first(where: { $0.type.shape.rank == 1 }) ?? own.first else { return nil }
    let first = kept.firstValues(seed: seed)
    let isUnmoved = try states.withBytes(of: kept.name) { $0.bindMemory(to: Float.self).elementsEqual(first) }
    guard isUnmoved else { return .killed(since: finding.evidence["lastArrival"] == nil ? nil : finding.step) }
    return kept.type.shape.rank == 1 && first.allSatisfy { $0 < 0 } ? .negativeBiases : .closedAtStart
  }

  /// Whether every number of every field that the network reads was 0 in the run that was finished last.
  private func hasZeroInputs(_ executor: ProgramExecutor) throws -> Bool {
    let names = Set(step.inputs.map(\.name))
    let read = executor.program.values(.input).filter { names.contains(executor.program.values[$0].name) }
    return try !read.isEmpty && read.allSatisfy { id in try executor.withValue(id) { $0.allSatisfy { $0 == 0 } } }
  }
}

import SwitchbackPrograms

/// An evaluation says of one batch the same each time: it drops nothing out, draws nothing and changes no state.
public struct SureEvaluation: Law {
  public let name = "sureEvaluation"
  public init() {}

  public func breaches(in step: StepDescription) -> [Finding] {
    guard let program = step.evaluation else { return [] }
    let random = program.calls.first { $0.operation is RandomNumbers }
    let writing = program.calls.first { call in
      call.outputs.contains { $0.map { program.values[$0].role == .state } ?? false }
    }
    return [
      random.map {
        breach(
          layers: [$0.path], cause: "random",
          "\($0.path) draws random numbers in evaluation: dropout or noise is left on. Ask isTraining before.")
      },
      writing.map {
        breach(
          layers: [$0.path], cause: "changesState",
          "\($0.path) changes a state in evaluation: what it answers depends on what was evaluated before.")
      },
    ].compactMap { $0 }
  }

  public func breaches(in evaluation: RepeatedEvaluation) -> [Finding] {
    guard evaluation.different > 0 else { return [] }
    return [
      breach(
        step: evaluation.step, layers: [], subject: evaluation.output, cause: "notRepeated",
        evidence: ["different": Double(evaluation.different), "numbers": Double(evaluation.numbers)],
        "One batch evaluated twice answers otherwise in \(evaluation.different) of \(evaluation.numbers) numbers: "
          + "something is dropped out or drawn at random, or is left over from the run before.")
    ]
  }
}

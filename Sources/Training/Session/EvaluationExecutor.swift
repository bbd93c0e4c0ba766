import SwitchbackExecution
import SwitchbackInference
import SwitchbackNeuralNetworks

/// A program that evaluates, on its executor. Whatever is filled and read for each batch is found once.
final class EvaluationExecutor {
  let executor: ProgramExecutor
  let feed: ProgramFeed
  /// One for each objective, in their order.
  let judged: [Judged]

  /// What is read of one objective.
  struct Judged {
    let objective: Objective
    /// Of the model's output; empty where there is one objective.
    let name: String
    let target: InputHandle
    /// Of a target that the model reads too, as bytes: what they are multiplied with.
    let targetScale: Float?
    let predictions: OutputHandle
    /// bool `[N, T]`: its valid steps; nil where all are.
    let mask: OutputHandle?
    /// f32 `[]`: over the batch.
    let lossSum: OutputHandle
    /// f32 `[N]`; nil where each sample counts 1.
    let weights: InputHandle?
  }

  init(_ executor: ProgramExecutor, _ step: TrainingStep) throws(ExecutionError) {
    self.executor = executor
    feed = try ProgramFeed(executor)
    judged = try step.objectives.map { objective throws(ExecutionError) in
      let prefix = step.prefix(of: objective)
      return Judged(
        objective: objective, name: String(prefix.dropLast()), target: try executor.input(named: objective.target),
        targetScale: step.inputs.first { $0.name == objective.target }?.scale,
        predictions: try executor.output(named: prefix + StepOutput.predictions),
        mask: executor.program.output(named: prefix + StepOutput.mask) == nil
          ? nil : try executor.output(named: prefix + StepOutput.mask),
        lossSum: try executor.output(named: prefix + StepOutput.lossSum),
        weights: try objective.sampleWeight.map { name throws(ExecutionError) in try executor.input(named: name) })
    }
  }
}

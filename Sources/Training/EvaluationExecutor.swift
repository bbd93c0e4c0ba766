import SwitchbackExecution

/// A program that evaluates, on its executor. Whatever is filled and read for each batch is found once.
final class EvaluationExecutor {
  let executor: ProgramExecutor
  let samples: InputHandle
  let labels: InputHandle
  let predictions: OutputHandle
  /// f32 `[]`: over the batch.
  let lossSum: OutputHandle
  /// Nil where targets are numbers.
  let correct: OutputHandle?

  init(_ executor: ProgramExecutor, inputName: String) throws(ExecutionError) {
    self.executor = executor
    samples = try executor.input(named: inputName)
    labels = try executor.input(named: "labels")
    predictions = try executor.output(named: "predictions")
    lossSum = try executor.output(named: "lossSum")
    correct = try? executor.output(named: "correct")
  }
}

import SwitchbackExecution
import SwitchbackInference

/// A program that evaluates, on its executor. Whatever is filled and read for each batch is found once.
final class EvaluationExecutor {
  let executor: ProgramExecutor
  let feed: ProgramFeed
  let labels: InputHandle
  let predictions: OutputHandle
  /// f32 `[]`: over the batch.
  let lossSum: OutputHandle
  /// Nil where targets are numbers.
  let correct: OutputHandle?

  init(_ executor: ProgramExecutor) throws(ExecutionError) {
    self.executor = executor
    feed = try ProgramFeed(executor)
    labels = try executor.input(named: "labels")
    predictions = try executor.output(named: "predictions")
    lossSum = try executor.output(named: "lossSum")
    correct = try? executor.output(named: "correct")
  }
}

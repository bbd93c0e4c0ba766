/// What steps and epochs say of loss and accuracy.
extension TrainingLoop {
  func accuracy(_ correct: Double, of count: Int) -> Double? {
    isOfClasses ? correct / Double(max(count, 1)) : nil
  }

  /// Of each of several outputs, by columns.
  func metrics(_ outputs: [String: Checkpoint.Position.OutputSums]?, of count: Int) -> [String: Double]? {
    outputs.map { outputs in
      let samples = Double(max(count, 1))
      return numbers(outputs.map { ($0.key, $0.value.lossSum / samples, $0.value.correct.map { $0 / samples }) })
    }
  }

  func metrics(_ parts: [StepExecutor.Numbers], of count: Int) -> [String: Double]? {
    parts.isEmpty ? nil : numbers(parts.map { ($0.prefix, $0.loss, $0.correct.map { $0 / Double(max(count, 1)) }) })
  }

  func numbers(_ outputs: [(prefix: String, loss: Double, accuracy: Double?)]) -> [String: Double] {
    var numbers: [String: Double] = [:]
    for output in outputs {
      numbers[output.prefix + "loss"] = output.loss
      numbers[output.prefix + Accuracy.word] = output.accuracy
    }
    return numbers
  }
}

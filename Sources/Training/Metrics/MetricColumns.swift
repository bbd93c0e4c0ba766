import SwitchbackNeuralNetworks

/// The numbers of a run besides its loss and, of one output, its accuracy, by their columns' names.
public struct MetricColumns: Hashable, Sendable {
  /// Of each epoch as it was trained: `digit/loss` and `digit/accuracy` of several outputs.
  public var training: [String] = []
  /// Of each validation: `digit/loss`, `digit/accuracy`, `ink/mean_absolute_error`; `f1_score` of one output.
  public var validation: [String] = []

  /// Of each output its objective and its metrics besides the accuracy.
  init(_ step: TrainingStep, _ metrics: [[any Metric]]) {
    validation = step.validationColumns(metrics).map(\.column).filter { $0 != Accuracy.word }
    guard step.objectives.count > 1 else { return }
    for objective in step.objectives {
      let prefix = step.prefix(of: objective)
      training += [prefix + "loss"] + (objective.targets == .classes ? [prefix + Accuracy.word] : [])
    }
  }
}

extension TrainingStep {
  /// All numbers of a validation besides its loss, by columns, in their order: of each objective its own loss, where there
  /// are several, and its metrics.
  func validationColumns(_ metrics: [[any Metric]]) -> [Watch] {
    zip(objectives, metrics).flatMap { objective, metrics in
      let prefix = prefix(of: objective)
      let loss = prefix.isEmpty ? [] : [Watch(column: prefix + "loss", isMaximized: false)]
      return loss
        + objective.judged(by: metrics).map { Watch(column: prefix + $0.name, isMaximized: $0.isMaximized) }
    }
  }
}

extension Objective {
  /// These metrics and what is counted anyway: accuracy, where targets are classes.
  func judged(by metrics: [any Metric]) -> [any Metric] {
    let isCounted = targets == .classes && !metrics.contains { $0.name == Accuracy.word }
    return (isCounted ? [Accuracy()] : []) + metrics
  }
}

extension TrainingSession {
  public var columns: MetricColumns { MetricColumns(step, metrics) }
}

import SwitchbackNeuralNetworks

/// The numbers of a run besides its loss and, of one output, its accuracy, by their columns' names.
public struct MetricColumns: Hashable, Sendable {
  /// Of each epoch as it was trained: `digit/loss` and `digit/accuracy` of several outputs.
  public var training: [String] = []
  /// Of each validation: `digit/loss`, `digit/accuracy`, `ink/mean_absolute_error`; `f1_score` of one output.
  public var validation: [String] = []

  /// Of each output its objective and its metrics besides the accuracy.
  init(_ step: TrainingStep, _ metrics: [[any Metric]]) {
    let isAlone = step.objectives.count == 1
    for (objective, metrics) in zip(step.objectives, metrics) {
      let prefix = step.prefix(of: objective)
      if !isAlone {
        training += [prefix + "loss"] + (objective.targets == .classes ? [prefix + Accuracy.word] : [])
        validation.append(prefix + "loss")
      }
      for metric in objective.judged(by: metrics) where !isAlone || metric.name != Accuracy.word {
        validation.append(prefix + metric.name)
      }
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

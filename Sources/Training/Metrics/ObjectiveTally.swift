import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackNeuralNetworks

/// What an evaluation gathers of one objective, batch by batch.
struct ObjectiveTally {
  private let objective: Objective
  private let name: String
  /// What the data says of its target.
  private let classNames: [String]
  private var metrics: [any Metric]
  private var classes: ConfusionMatrix?
  /// Of numbers, whatever the configuration asks for.
  private var variance = R2Score()
  private var (loss, samples) = (0.0, 0)

  /// `metrics` are empty; of classes accuracy is counted besides.
  init(_ objective: Objective, name: String, _ data: DatasetLayout, metrics: [any Metric]) {
    (self.objective, self.name) = (objective, name)
    classNames = data[objective.target]?.classNames ?? []
    self.metrics = objective.judged(by: metrics)
  }

  mutating func add(_ judged: EvaluationExecutor.Judged, of executor: ProgramExecutor, count: Int) throws {
    loss += try executor.number(of: judged.lossSum)
    samples += count
    let predictions = try executor.withOutput(judged.predictions) { Array($0.bindMemory(to: Float.self)) }
    let target: MetricBatch.Target
    switch objective.targets {
    case .classes:
      let labels = try executor.withValue(of: judged.target) { Array($0.bindMemory(to: Int32.self)) }
      // A network may end with more outputs than the data has classes, or with one for two.
      target = .classes(labels, count: max(classNames.count, predictions.count / max(labels.count, 1), 2))
    case .values:
      target = .values(
        try executor.withValue(of: judged.target) { bytes in
          guard let scale = judged.targetScale else { return Array(bytes.bindMemory(to: Float.self)) }
          return bytes.map { Float($0) * scale }
        })
    }
    let weights = try judged.weights.map { try executor.withValue(of: $0) { Array($0.bindMemory(to: Float.self)) } }
    let mask = try judged.mask.map { try executor.withOutput($0) { $0.map { $0 != 0 } } }
    let batch = MetricBatch(predictions, target, weights: weights, mask: mask, count: count)
    for index in metrics.indices { metrics[index].add(batch) }
    switch target {
    case .classes(_, let classCount):
      classes = classes ?? ConfusionMatrix(classCount: classCount)
      classes?.add(batch)
    case .values: variance.add(batch)
    }
  }

  var output: Evaluation.Output {
    Evaluation.Output(
      name: name, loss: loss / Double(max(samples, 1)), metrics: metrics.map { MetricResult($0) }, classes: classes,
      classNames: classNames, missedVariance: variance.missedVariance)
  }
}

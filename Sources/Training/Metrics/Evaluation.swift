/// What a model is worth on a data set.
public struct Evaluation: Hashable, Sendable {
  /// Mean over the samples, without regularizers and class weights; of several objectives their sum, by their weights.
  public var loss: Double
  /// What each output is worth: one an objective, in their order.
  public var outputs: [Output]

  public struct Output: Hashable, Sendable {
    /// The output's name; empty of one alone.
    public var name: String
    public var loss: Double
    /// Accuracy where targets are classes, then what the configuration asks for.
    public var metrics: [MetricResult]
    /// Who was taken for whom; nil where targets are numbers or there is no sample.
    public var classes: ConfusionMatrix?
    /// In the order of the class numbers; empty where targets are numbers.
    public var classNames: [String] = []
    /// Where targets are numbers, Σ (target − prediction)² / Σ (target − mean)² over all of them: 0 is perfect, and 1 what the
    /// mean would have; nil of classes, and where targets do not vary.
    public var missedVariance: Double?

    /// Share of right predictions, of samples or of their valid steps; nil where targets are numbers.
    public var accuracy: Double? { metrics.first { $0.name == Accuracy.word }?.value }
    /// What stands before its columns' names.
    public var prefix: String { name.isEmpty ? "" : name + "/" }
  }

  public init(loss: Double, outputs: [Output]) { (self.loss, self.outputs) = (loss, outputs) }

  /// Of one output; nil where targets are numbers, and of several.
  public var accuracy: Double? { outputs.count == 1 ? outputs[0].accuracy : nil }
  /// The confusion matrix of the only output; nil where targets are numbers, and of several outputs.
  public var classes: ConfusionMatrix? { outputs.count == 1 ? outputs[0].classes : nil }

  /// What stands in columns besides the loss and, of one output, its accuracy: `digit/loss`, `digit/accuracy`, `f1_score`.
  public var columns: [(name: String, value: Double?)] {
    outputs.flatMap { output in
      let loss = outputs.count > 1 ? [(name: output.prefix + "loss", value: Optional(output.loss))] : []
      let metrics = output.metrics.filter { outputs.count > 1 || $0.name != Accuracy.word }
      return loss + metrics.map { (output.prefix + $0.name, $0.value) }
    }
  }

  /// Those that have a number, by name; nil where there is no column.
  public var numbers: [String: Double]? { columns.isEmpty ? nil : known(columns) }

  /// The number of a column: `loss`, `accuracy`, `digit/accuracy`; nil where it has none.
  public subscript(_ column: String) -> Double? {
    switch column {
    case "loss": loss
    case Accuracy.word: accuracy
    default: columns.first { $0.name == column }?.value
    }
  }
}

/// A metric over a data set.
public struct MetricResult: Hashable, Sendable {
  public var name: String
  /// Nil where the samples do not settle it.
  public var value: Double?
  /// One a class, by its number; empty where there is no such thing.
  public var byClass: [Double?]

  public init(_ metric: any Metric) { (name, value, byClass) = (metric.name, metric.value, metric.byClass) }
}

/// The numbers that there are, by name.
private func known(_ columns: [(name: String, value: Double?)]) -> [String: Double] {
  var numbers: [String: Double] = [:]
  for column in columns { numbers[column.name] = column.value }
  return numbers
}

/// `evaluation.json` of a run folder: the test set's verdict, with the names that its numbers go by.
public struct EvaluationRecord: Hashable, Sendable, Codable {
  public var loss: Double
  /// Of one output.
  public var accuracy: Double?
  /// One a class, also for outputs that no sample of the data belongs to; empty of several outputs.
  public var classNames: [String]
  public var classes: ConfusionMatrix?
  /// Of one output: its further metrics, and these by class.
  public var metrics: [String: Double]?
  public var metricsByClass: [String: [Double?]]?
  /// Of several outputs, each.
  public var outputs: [Output]?
  /// The verdict with the weights of the last update, where the one above is that of their moving average.
  public var raw: Raw?

  public struct Output: Hashable, Sendable, Codable {
    public var name: String
    public var loss: Double
    public var metrics: [String: Double]
    public var metricsByClass: [String: [Double?]]?
    public var classNames: [String]
    public var classes: ConfusionMatrix?

    fileprivate init(_ output: Evaluation.Output) {
      (name, loss, classes, classNames) = (output.name, output.loss, output.classes, output.namesOfAll)
      metrics = known(output.metrics.map { ($0.name, $0.value) })
      metricsByClass = output.byClass
    }
  }

  public struct Raw: Hashable, Sendable, Codable {
    public var loss: Double
    public var accuracy: Double?
    public var classes: ConfusionMatrix?
    public var metrics: [String: Double]?

    fileprivate init(_ evaluation: Evaluation) {
      (loss, accuracy, classes) = (evaluation.loss, evaluation.accuracy, evaluation.classes)
      metrics = evaluation.numbers
    }
  }

  public init(_ evaluation: Evaluation, raw: Evaluation? = nil) {
    self.raw = raw.map { Raw($0) }
    (loss, accuracy, classes) = (evaluation.loss, evaluation.accuracy, evaluation.classes)
    let only = evaluation.outputs.count == 1 ? evaluation.outputs.first : nil
    classNames = only?.namesOfAll ?? []
    metrics = only.flatMap { _ in evaluation.numbers }
    metricsByClass = only?.byClass
    outputs = only == nil ? evaluation.outputs.map { Output($0) } : nil
  }
}

extension Evaluation.Output {
  /// A name for each class that is counted.
  fileprivate var namesOfAll: [String] {
    let count = classes?.classCount ?? classNames.count
    return classNames + (classNames.count..<max(count, classNames.count)).map { "class \($0)" }
  }

  fileprivate var byClass: [String: [Double?]]? {
    let known = metrics.filter { !$0.byClass.isEmpty }.map { ($0.name, $0.byClass) }
    return known.isEmpty ? nil : Dictionary(known) { first, _ in first }
  }
}

/// What a model is worth on a data set.
public struct Evaluation: Hashable, Sendable {
  /// Mean over the samples, without regularizers and class weights.
  public var loss: Double
  /// Share of right predictions.
  public var accuracy: Double
  /// Who was taken for whom.
  public var classes: ClassificationMetrics
}

/// `evaluation.json` of a run folder: the test set's verdict, with the names that its numbers go by.
public struct EvaluationRecord: Hashable, Sendable, Codable {
  public var loss: Double
  public var accuracy: Double
  public var classNames: [String]
  public var classes: ClassificationMetrics

  public init(_ evaluation: Evaluation, classNames: [String]) {
    (loss, accuracy, classes) = (evaluation.loss, evaluation.accuracy, evaluation.classes)
    self.classNames = classNames
  }
}

/// What a model is worth on a data set.
public struct Evaluation: Hashable, Sendable {
  /// Mean over the samples, without regularizers and class weights.
  public var loss: Double
  /// Share of right predictions; nil where targets are numbers.
  public var accuracy: Double?
  /// Who was taken for whom; nil where targets are numbers or there is no sample.
  public var classes: ClassificationMetrics?
}

/// `evaluation.json` of a run folder: the test set's verdict, with the names that its numbers go by.
public struct EvaluationRecord: Hashable, Sendable, Codable {
  public var loss: Double
  public var accuracy: Double?
  /// One a class, also for outputs that no sample of the data belongs to.
  public var classNames: [String]
  public var classes: ClassificationMetrics?

  public init(_ evaluation: Evaluation, classNames: [String]) {
    (loss, accuracy, classes) = (evaluation.loss, evaluation.accuracy, evaluation.classes)
    let count = classes?.classCount ?? classNames.count
    self.classNames = classNames + (classNames.count..<max(count, classNames.count)).map { "class \($0)" }
  }
}

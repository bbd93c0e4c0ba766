/// What a model is worth on a data set.
public struct Evaluation: Hashable, Sendable {
  /// Mean over the samples, without regularizers and class weights; of several objectives their sum, by their weights.
  public var loss: Double
  /// Share of right predictions; nil where targets are numbers.
  public var accuracy: Double?
  /// Who was taken for whom; nil where targets are numbers or there is no sample.
  public var classes: ClassificationMetrics?
  /// What each output is worth, where there are several objectives; `accuracy` and `classes` are nil then.
  public var outputs: [Output] = []

  public struct Output: Hashable, Sendable {
    public var name: String
    public var loss: Double
    public var accuracy: Double?
    public var classes: ClassificationMetrics?
  }

  public init(
    loss: Double, accuracy: Double? = nil, classes: ClassificationMetrics? = nil, outputs: [Output] = []
  ) {
    (self.loss, self.accuracy, self.classes, self.outputs) = (loss, accuracy, classes, outputs)
  }
}

/// `evaluation.json` of a run folder: the test set's verdict, with the names that its numbers go by.
public struct EvaluationRecord: Hashable, Sendable, Codable {
  public var loss: Double
  public var accuracy: Double?
  /// One a class, also for outputs that no sample of the data belongs to.
  public var classNames: [String]
  public var classes: ClassificationMetrics?
  /// The verdict with the weights of the last update, where the one above is that of their moving average.
  public var raw: Raw?

  public struct Raw: Hashable, Sendable, Codable {
    public var loss: Double
    public var accuracy: Double?
    public var classes: ClassificationMetrics?
  }

  public init(_ evaluation: Evaluation, classNames: [String], raw: Evaluation? = nil) {
    self.raw = raw.map { Raw(loss: $0.loss, accuracy: $0.accuracy, classes: $0.classes) }
    (loss, accuracy, classes) = (evaluation.loss, evaluation.accuracy, evaluation.classes)
    let count = classes?.classCount ?? classNames.count
    self.classNames = classNames + (classNames.count..<max(count, classNames.count)).map { "class \($0)" }
  }
}

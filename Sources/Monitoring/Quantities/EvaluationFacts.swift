/// What an evaluation said at the end of an epoch, beside what training had counted in it.
public struct EvaluationFacts: Hashable, Sendable {
  /// Batches and epochs so far.
  public var step: Int
  public var epoch: Int
  /// Evaluated ones.
  public var samples: Int
  /// One an objective.
  public var outputs: [Output]

  public init(step: Int, epoch: Int, samples: Int, outputs: [Output]) {
    (self.step, self.epoch, self.samples, self.outputs) = (step, epoch, samples, outputs)
  }

  public struct Output: Hashable, Sendable {
    /// Empty of one alone.
    public var name: String
    public var loss: Double
    /// Nil where targets are numbers.
    public var accuracy: Double?
    /// Means over the epoch's batches as they were trained, with regularizers and class weights.
    public var trainingLoss: Double?
    public var trainingAccuracy: Double?
    /// By the class numbers; empty where targets are numbers, and of more than 1,024 classes.
    public var classes: [Class]

    public init(
      name: String = "", loss: Double, accuracy: Double? = nil, trainingLoss: Double? = nil,
      trainingAccuracy: Double? = nil, classes: [Class] = []
    ) {
      (self.name, self.loss, self.accuracy) = (name, loss, accuracy)
      (self.trainingLoss, self.trainingAccuracy, self.classes) = (trainingLoss, trainingAccuracy, classes)
    }
  }

  /// How many samples are of a class, how many were said to be, and how many of these are.
  public struct Class: Hashable, Sendable {
    public var name: String
    public var samples: Int
    public var predicted: Int
    public var right: Int

    public init(name: String, samples: Int, predicted: Int, right: Int) {
      (self.name, self.samples, self.predicted, self.right) = (name, samples, predicted, right)
    }
  }
}

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What an evaluation said at the end of an epoch, beside what training had counted in it.
public struct EvaluationFacts: Hashable, Sendable {
  /// Batches and epochs so far.
  public var step: Int
  public var epoch: Int
  /// Evaluated ones.
  public var samples: Int
  /// One an objective.
  public var outputs: [Output]
  /// Nil of a network without.
  public var runningStatistics: RunningStatistics?

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
    /// Where targets are numbers, Σ (target − prediction)² / Σ (target − mean)²: 0 is perfect, 1 what the mean of the targets
    /// would have; nil where nobody knows.
    public var missedVariance: Double?
    /// The same network on samples that training has seen, evaluated as those are that it has not; nil where nobody asked.
    public var seen: Seen?
    /// By the class numbers; empty where targets are numbers, and of more than 1,024 classes.
    public var classes: [Class]

    public init(
      name: String = "", loss: Double, accuracy: Double? = nil, trainingLoss: Double? = nil,
      trainingAccuracy: Double? = nil, classes: [Class] = [], missedVariance: Double? = nil, seen: Seen? = nil
    ) {
      (self.name, self.loss, self.accuracy) = (name, loss, accuracy)
      (self.missedVariance, self.seen) = (missedVariance, seen)
      (self.trainingLoss, self.trainingAccuracy, self.classes) = (trainingLoss, trainingAccuracy, classes)
    }
  }

  /// What an evaluation says of samples of training.
  public struct Seen: Hashable, Sendable {
    public var samples: Int
    public var loss: Double
    /// Nil where targets are numbers.
    public var accuracy: Double?
    public var missedVariance: Double?

    public init(samples: Int, loss: Double, accuracy: Double? = nil, missedVariance: Double? = nil) {
      (self.samples, self.loss, self.accuracy, self.missedVariance) = (samples, loss, accuracy, missedVariance)
    }
  }

  /// A normalization whose statistics move with training: which keeps most of them at each update.
  public struct RunningStatistics: Hashable, Sendable {
    /// The layer, `layers.2.batchNormalization`.
    public var layer: String
    public var momentum: Double
    public var updates: Int

    public init(layer: String, momentum: Double, updates: Int) {
      (self.layer, self.momentum, self.updates) = (layer, momentum, updates)
    }

    /// The part of them that is still what they began with: momentum to the power of the updates.
    public var initialShare: Double { pow(momentum, Double(updates)) }
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

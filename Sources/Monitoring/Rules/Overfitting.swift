/// Training goes on getting better than what it has not seen: samples are learnt by heart.
///
/// Of classes: training's accuracy over the epoch lies 0.2 above that of the evaluation, and two deviations of so many samples
/// more. Of numbers: the evaluation's loss is twice that of training and a tenth above its lowest so far, and it misses a
/// hundredth of the targets' variance: below that its errors deviate by less than a tenth of what the targets do, and R² is
/// above 0.99, whatever the losses' ratio. In both cases in two evaluations in a row. (SageMaker Debugger's Overfit takes a loss that is a tenth above, at once: many healthy networks end
/// there.) Dropout, augmentation and the mean over an epoch make training's numbers worse than
/// they are, so it speaks late and not too early. Where the network was also evaluated on samples of training, and is as wrong
/// there, nothing is learnt by heart: that is `StaleStatistics`'.
public struct Overfitting: Rule {
  public let name = "overfitting"
  /// By how much the accuracies differ.
  public var gap: Double
  /// Times training's loss, of numbers.
  public var lossRatio: Double
  /// The share of the targets' variance that must be missed, of numbers.
  public var missedVariance: Double
  /// Evaluated samples at the least.
  static let leastSamples = 50
  private var persistence: Persistence
  /// log₁₀ of the lowest loss of an evaluation, in thousandths.
  private var lowest: Int?

  /// `evaluations` is how many in a row must show it.
  public init(gap: Double = 0.2, lossRatio: Double = 2, missedVariance: Double = 0.01, evaluations: Int = 2) {
    (self.gap, self.lossRatio, self.missedVariance) = (gap, lossRatio, missedVariance)
    persistence = Persistence(needed: evaluations)
  }

  public var memory: [String: Int] {
    get {
      var memory = persistence.memory()
      memory["lowest"] = lowest
      return memory
    }
    set {
      persistence.recall(newValue)
      lowest = kept(thousandths: newValue["lowest"])
    }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? { nil }

  public mutating func observe(_ evaluation: EvaluationFacts) -> Finding? {
    guard evaluation.outputs.count == 1, evaluation.samples >= Self.leastSamples else { return nil }
    let output = evaluation.outputs[0]
    guard let accuracy = output.accuracy else { return ofNumbers(output, evaluation) }
    let noise = Self.noise(of: accuracy, samples: evaluation.samples)
    let training = output.trainingAccuracy ?? 0
    let difference = min(training, output.seen?.accuracy ?? training) - accuracy
    guard persistence.opens(difference >= gap + noise) else { return nil }
    return finding(
      evaluation, ["trainingAccuracy": training, "accuracy": accuracy],
      "\(Int((training * 100).rounded())) % of the training samples are right and "
        + "\(Int((accuracy * 100).rounded())) % of those that training does not see")
  }

  /// Two deviations of an accuracy of so many samples.
  static func noise(of accuracy: Double, samples: Int) -> Double {
    2 * (max(accuracy * (1 - accuracy), 0) / Double(max(samples, 1))).squareRoot()
  }

  private mutating func ofNumbers(_ output: EvaluationFacts.Output, _ evaluation: EvaluationFacts) -> Finding? {
    guard let training = output.trainingLoss, training > 0, output.loss > 0, output.loss.isFinite else { return nil }
    let loss = thousandths(output.loss)
    let best = min(lowest ?? loss, loss)
    lowest = best
    // 41 thousandths of a decade are a tenth.
    let isWorse = output.loss >= lossRatio * max(training, output.seen?.loss ?? 0) && loss >= best + 41
    // Of targets that do not vary, or that nobody has asked about, the losses alone speak.
    let isFar = output.missedVariance ?? 1 >= missedVariance
    guard persistence.opens(isWorse && isFar) else { return nil }
    var evidence = ["trainingLoss": training, "loss": output.loss]
    evidence["missedVariance"] = output.missedVariance
    return finding(
      evaluation, evidence,
      "The loss is \(shortened(training)) in training and \(shortened(output.loss)) on samples that training does not see, "
        + "where it is rising")
  }

  private func finding(_ evaluation: EvaluationFacts, _ evidence: [String: Double], _ words: String) -> Finding {
    Finding(
      rule: name, severity: .warning, step: evaluation.step, layers: [], cause: "overfitting",
      evidence: evidence.merging(["epoch": Double(evaluation.epoch)]) { first, _ in first },
      message: words
        + ": it learns its samples by heart. Try fewer units, {dropout: {rate: 0.5}} or kernel_regularizer: {l2: "
        + "1e-4}, data.augmentation of pictures, more data; or end earlier with training.early_stopping_patience: 3 and "
        + "training.restore_best: true.")
  }
}

/// Normalizations evaluate with statistics that do not fit: samples that training answers rightly are answered wrongly when the
/// network is evaluated on the very same samples.
///
/// In training a batch normalization takes mean and variance of the batch, in inference the running ones (Ioffe and Szegedy,
/// 2015, algorithm 2), which are moving ← momentum · moving + (1 − momentum) · batch: after t updates the first values, 0 and 1,
/// still have the share momentumᵗ. Weights, samples and labels are the same in both, and dropout and augmentation make
/// training's answers worse, not the evaluation's; so what is lost between the two is lost by the statistics. Of classes: the
/// accuracy on samples of training lies 0.2 and two deviations below that of training's epoch. Of numbers: the loss on them is
/// twice that of training, and a hundredth of the targets' variance is missed. The last look's loss is at most twice the
/// epoch's mean: an epoch that ends in a rise is another fault. In each case in two evaluations in a row, since statistics lag
/// behind weights that move fast for an epoch or so. The samples are evaluated only where those of the validation are as bad
/// (`isSuspected`), so a healthy run pays nothing.
public struct StaleStatistics: Rule {
  public let name = "staleStatistics"
  /// By how much the accuracies differ.
  public var gap: Double
  /// Times training's loss, of numbers.
  public var lossRatio: Double
  /// The share of the first values that is called the reason.
  public var initialShare: Double
  private static let missedVariance = Overfitting().missedVariance
  private var persistence: Persistence
  /// log₁₀ of the last look's loss, in thousandths.
  private var lastLoss: Int?

  /// `evaluations` is how many in a row must show it.
  public init(gap: Double = 0.2, lossRatio: Double = 2, initialShare: Double = 0.05, evaluations: Int = 2) {
    (self.gap, self.lossRatio, self.initialShare) = (gap, lossRatio, initialShare)
    persistence = Persistence(needed: evaluations)
  }

  public var memory: [String: Int] {
    get {
      var memory = persistence.memory()
      memory["lastLoss"] = lastLoss
      return memory
    }
    set {
      persistence.recall(newValue)
      lastLoss = kept(thousandths: newValue["lastLoss"])
    }
  }

  /// Whether a validation is as bad as samples of training must be for this rule to speak, so that it is worth the time to
  /// evaluate some.
  public func isSuspected(_ evaluation: EvaluationFacts) -> Bool {
    guard evaluation.runningStatistics != nil, evaluation.outputs.count == 1 else { return false }
    let output = evaluation.outputs[0]
    return isLost(
      output,
      EvaluationFacts.Seen(
        samples: evaluation.samples, loss: output.loss, accuracy: output.accuracy, missedVariance: output.missedVariance
      ))
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    if rows.isFinite { lastLoss = thousandths(abs(rows.loss)) }
    return nil
  }

  public mutating func observe(_ evaluation: EvaluationFacts) -> Finding? {
    guard let statistics = evaluation.runningStatistics, evaluation.outputs.count == 1 else { return nil }
    let output = evaluation.outputs[0]
    let isAstray = output.seen.map { isLost(output, $0) && !isRising(output) } ?? false
    guard persistence.opens(isAstray), let seen = output.seen else { return nil }
    let stale = statistics.initialShare
    var evidence = [
      "epoch": Double(evaluation.epoch), "momentum": statistics.momentum, "initialShare": stale, "loss": seen.loss,
      "samples": Double(seen.samples),
    ]
    (evidence["accuracy"], evidence["trainingAccuracy"]) = (seen.accuracy, output.trainingAccuracy)
    evidence["trainingLoss"] = output.trainingLoss
    return Finding(
      rule: name, severity: .warning, step: evaluation.step, layers: [statistics.layer],
      cause: stale >= initialShare ? "momentum" : "statistics", evidence: evidence,
      message: Self.words(output, seen)
        + ": the running statistics of its normalizations do not fit. " + advice(statistics))
  }

  private func isLost(_ output: EvaluationFacts.Output, _ seen: EvaluationFacts.Seen) -> Bool {
    guard seen.samples >= Overfitting.leastSamples else { return false }
    if let accuracy = seen.accuracy, let training = output.trainingAccuracy {
      return training - accuracy >= gap + Overfitting.noise(of: accuracy, samples: seen.samples)
    }
    guard let training = output.trainingLoss, training > 0, seen.loss > 0 else { return false }
    return !seen.loss.isFinite || seen.loss >= lossRatio * training && seen.missedVariance ?? 1 >= Self.missedVariance
  }

  /// Whether training itself got worse at the end of its epoch.
  private func isRising(_ output: EvaluationFacts.Output) -> Bool {
    guard let lastLoss, let training = output.trainingLoss, training > 0 else { return false }
    return lastLoss > thousandths(2 * training)
  }

  private static func words(_ output: EvaluationFacts.Output, _ seen: EvaluationFacts.Seen) -> String {
    if let accuracy = seen.accuracy, let training = output.trainingAccuracy {
      return "\(Int((training * 100).rounded())) % of the samples are right while it trains, and "
        + "\(Int((accuracy * 100).rounded())) % of \(seen.samples) of them when it is evaluated on these"
    }
    return "The loss is \(shortened(output.trainingLoss ?? 0)) while it trains, and \(shortened(seen.loss)) when it is "
      + "evaluated on \(seen.samples) of the same samples"
  }

  private func advice(_ statistics: EvaluationFacts.RunningStatistics) -> String {
    let stale = statistics.initialShare
    guard stale >= initialShare else {
      return "Batches may be too small or unlike each other, weights may move too fast for a momentum of "
        + "\(statistics.momentum), or dropout stands before a normalization (Li et al. 2019). Try momentum: 0.9 of "
        + "batch_normalization, a larger training.batch_size, or a lower training.optimizer.learning_rate."
    }
    return "\(Int((stale * 100).rounded())) % of those of \(statistics.layer) is still what they began with, after "
      + "\(statistics.updates) updates with a momentum of \(statistics.momentum). Try momentum: 0.9 of batch_normalization, or "
      + "train longer."
  }
}

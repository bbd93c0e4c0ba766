import SwitchbackMonitoring
import Testing

/// An evaluation of classes `(samples, predicted, right)`.
private func evaluated(
  _ step: Int, _ classes: [(Int, Int, Int)], training: Double? = nil
) -> EvaluationFacts {
  let samples = classes.reduce(0) { $0 + $1.0 }
  return EvaluationFacts(
    step: step, epoch: step / 100, samples: samples,
    outputs: [
      EvaluationFacts.Output(
        loss: 1, accuracy: Double(classes.reduce(0) { $0 + $1.2 }) / Double(max(samples, 1)), trainingLoss: 1,
        trainingAccuracy: training,
        classes: classes.enumerated().map { index, counts in
          EvaluationFacts.Class(name: "class \(index)", samples: counts.0, predicted: counts.1, right: counts.2)
        })
    ])
}

/// One of numbers.
private func evaluated(
  _ epoch: Int, loss: Double, training: Double, missed: Double? = nil, seen: EvaluationFacts.Seen? = nil
) -> EvaluationFacts {
  EvaluationFacts(
    step: 100 * epoch, epoch: epoch, samples: 500,
    outputs: [EvaluationFacts.Output(loss: loss, trainingLoss: training, missedVariance: missed, seen: seen)])
}

/// What a rule says at evaluations, behind 40 looks at batches with these labels.
private func judged(
  _ labels: [Int], _ evaluations: [EvaluationFacts], resumed: Bool = false
) -> [Finding] {
  var rule = ClassImbalance()
  for step in looks(to: 220) {
    #expect(rule.observe(seen(step) { $0.classes = StepFacts.Classes(counts: labels, right: 1) }) == nil)
  }
  if resumed {
    var next = ClassImbalance()
    next.memory = rule.memory
    rule = next
  }
  return evaluations.compactMap { rule.observe($0) }
}

@Suite("What evaluations show") struct EvaluationRuleTests {
  @Test("a rare class that is not found is named once; one that is found, or is not that rare, is not")
  func imbalance() throws {
    for resumed in [false, true] {
      let found = judged([49, 1], [evaluated(200, [(490, 500, 490), (10, 0, 0)])], resumed: resumed)
      #expect(found.map(\.cause) == ["imbalance"] && found[0].subject == "class 1" && found[0].severity == .warning)
      #expect(found[0].evidence["ratio"] == 49 && found[0].evidence["recall"] == 0)
    }
    let lost = evaluated(200, [(490, 500, 490), (10, 0, 0)])
    let learnt = evaluated(300, [(490, 490, 490), (10, 10, 10)])
    #expect(judged([49, 1], [lost, lost, learnt, lost]).map(\.step) == [200, 200])
    #expect(judged([49, 1], [learnt]).isEmpty)
    #expect(judged([9, 1], [lost]).isEmpty)
    // Too few of it, too few labels, too early.
    #expect(judged([49, 1], [evaluated(200, [(490, 490, 490), (4, 0, 0)])]).isEmpty)
    #expect(judged([4, 0], [lost]).isEmpty)
    #expect(judged([49, 1], [evaluated(90, [(490, 500, 490), (10, 0, 0)])]).isEmpty)
  }

  @Test("labels of one class alone are an error, and a class that training lacks is named")
  func constant() {
    let constant = judged([50], [evaluated(200, [(100, 200, 100), (100, 0, 0)])])
    #expect(constant.map(\.cause) == ["constant"] && constant[0].severity == .error && constant[0].subject == "class 0")
    // Nobody has seen the others.
    #expect(constant[0].message.hasPrefix("All of the 2000 labels looked at (40 of 200 batches) are class 0"))
    let absent = judged([25, 25], [evaluated(200, [(100, 100, 90), (100, 200, 90), (50, 0, 0)])])
    #expect(absent.map(\.cause) == ["absent"] && absent[0].subject == "class 2")
    #expect(absent[0].message.hasPrefix("None of the 2000 labels looked at (40 of 200 batches) is class 2, of which"))
    // An output that no sample is of.
    #expect(judged([25, 25], [evaluated(200, [(100, 100, 90), (100, 100, 90), (0, 0, 0)])]).isEmpty)
  }

  @Test("a class that is never an answer is named: at once where the rest is right, else at the second time")
  func neverPredicted() {
    func steps(_ right: Int..., never: Int = 50) -> [Int] {
      let evaluations = right.enumerated().map { place, right in
        evaluated(100 * (place + 1), [(100, 120, right), (100, 130, right), (never, 0, 0)])
      }
      let found = findings(by: NeverPredicted(), in: evaluations)
      #expect(found == findings(by: NeverPredicted(), in: evaluations, resumed: true))
      #expect(found.allSatisfy { $0.subject == "class 2" && $0.severity == .warning })
      return found.map(\.step)
    }
    #expect(steps(95, 95, 95) == [100])
    #expect(steps(80, 80, 95) == [200])
    #expect(steps(60, 60, 60) == [] && steps(80, 60, 80) == [])
    // Few samples of it may all be missed.
    #expect(steps(95, 95, never: 10) == [])
    let learnt = evaluated(200, [(100, 100, 95), (100, 100, 95), (50, 50, 45)])
    let lost = [100, 300].map { evaluated($0, [(100, 120, 95), (100, 130, 95), (50, 0, 0)]) }
    #expect(findings(by: NeverPredicted(), in: [lost[0], learnt, lost[1]]).map(\.step) == [100, 300])
  }

  @Test("training that is right where the evaluation is not is named at the second validation")
  func overfitting() {
    func found(_ training: Double..., right: Int = 55, of samples: Int = 100) -> [Finding] {
      let evaluations = training.enumerated().map { place, training in
        evaluated(100 * (place + 1), [(samples, samples, right)], training: training)
      }
      let all = findings(by: Overfitting(), in: evaluations)
      #expect(all == findings(by: Overfitting(), in: evaluations, resumed: true))
      return all
    }
    let named = found(0.9, 0.94, 0.96)
    #expect(named.map(\.step) == [200] && named[0].message.contains("94 % of the training samples are right and 55 %"))
    #expect(found(0.7, 0.72, 0.74).isEmpty && found(0.9, 0.6, 0.9).isEmpty)
    // A fifth of so few samples is chance; fewer still are not looked at.
    #expect(found(0.8, 0.8, 0.8).isEmpty && found(0.9, 0.9, 0.9, right: 20, of: 40).isEmpty)
    #expect(found(0.9, 0.9, 0.6, 0.6, 0.9, 0.9).map(\.step) == [200, 600])
  }

  @Test("of numbers a loss that is twice training's and rising is named")
  func overfittingOfNumbers() {
    func steps(_ losses: [(Double, Double)]) -> [Int] {
      let evaluations = losses.enumerated().map { evaluated($0 + 1, loss: $1.0, training: $1.1) }
      let all = findings(by: Overfitting(), in: evaluations)
      #expect(all == findings(by: Overfitting(), in: evaluations, resumed: true))
      return all.map(\.step)
    }
    #expect(steps([(1, 0.9), (0.8, 0.6), (0.9, 0.4), (1.0, 0.3)]) == [400])
    // Still falling, or as good in training.
    #expect(steps([(1, 0.4), (0.9, 0.3), (0.8, 0.2), (0.7, 0.1)]) == [])
    #expect(steps([(1, 0.9), (0.8, 0.7), (0.95, 0.8), (1.0, 0.9)]) == [])
  }

  @Test("losses that miss next to nothing of what the targets vary are none to compare")
  func overfittingFloor() {
    func steps(_ missed: Double?) -> [Int] {
      let losses = [(2e-6, 1.8e-6), (1.6e-6, 1.2e-6), (3e-6, 1e-6), (3.2e-6, 0.9e-6)]
      let evaluations = losses.enumerated().map {
        evaluated($0 + 1, loss: $1.0, training: $1.1, missed: missed)
      }
      return findings(by: Overfitting(), in: evaluations).map(\.step)
    }
    // Of targets with a variance of 1, and of 1e-5.
    #expect(steps(3e-6).isEmpty && steps(0.3) == [400] && steps(nil) == [400])
  }

  // MARK: Running statistics

  /// Two evaluations of a network with a normalization, whose samples of training are right so often.
  private func astray(
    _ seen: Double?, training: Double = 0.95, momentum: Double = 0.9999, lastLoss: Double = 0.2, resumed: Bool = false
  ) -> [Finding] {
    var rule = StaleStatistics()
    _ = rule.observe(
      ProbeRows(
        step: 90, loss: lastLoss, rows: [(Probe(kind: .parameter, path: "a"), TensorStatistics(count: 1, l2: 1))]))
    return (1...3).compactMap { epoch in
      var facts = evaluated(100 * epoch, [(50, 100, 50), (50, 0, 0)], training: training)
      (facts.outputs[0].trainingLoss) = 0.2
      facts.outputs[0].seen = seen.map { EvaluationFacts.Seen(samples: 100, loss: 3, accuracy: $0) }
      facts.runningStatistics = .init(layer: "layers.2.batchNormalization", momentum: momentum, updates: 100 * epoch)
      if resumed {
        var next = StaleStatistics()
        next.memory = rule.memory
        rule = next
      }
      return rule.observe(facts)
    }
  }

  @Test("samples of training that are right in training alone are named at the second validation, with what made it so")
  func runningStatistics() throws {
    for resumed in [false, true] {
      let stale = astray(0.5, resumed: resumed)
      #expect(
        stale.map(\.step) == [200] && stale[0].cause == "momentum" && stale[0].layers == ["layers.2.batchNormalization"]
      )
      #expect(stale[0].message.contains("98 % of those of layers.2.batchNormalization is still what they began with"))
      #expect(stale[0].message.hasPrefix("95 % of the samples are right while it trains, and 50 % of 100 of them when"))
    }
    let unlike = astray(0.5, momentum: 0.9)
    #expect(unlike.map(\.cause) == ["statistics"] && unlike[0].evidence["initialShare"]! < 1e-9)
    // Right there too (what is wrong is the validation), as bad in training, an epoch that ended in a rise, nobody asked.
    #expect(astray(0.9).isEmpty && astray(0.5, training: 0.6).isEmpty && astray(0.5, lastLoss: 2).isEmpty)
    #expect(astray(nil).isEmpty)
  }

  @Test("of numbers it goes by the loss, above what is worth a word")
  func runningStatisticsOfNumbers() {
    func causes(_ seen: EvaluationFacts.Seen) -> [String?] {
      findings(
        by: StaleStatistics(),
        in: (1...2).map { epoch in
          var facts = evaluated(epoch, loss: 1, training: 0.1, seen: seen)
          facts.runningStatistics = .init(layer: "a", momentum: 0.99, updates: 100)
          return facts
        }
      ).map(\.cause)
    }
    #expect(causes(.init(samples: 100, loss: 1, missedVariance: 0.5)) == ["momentum"])
    #expect(
      causes(.init(samples: 100, loss: .nan)) == [] && causes(.init(samples: 100, loss: .infinity)) == ["momentum"])
    #expect(causes(.init(samples: 100, loss: 1, missedVariance: 0.001)) == [])
    #expect(causes(.init(samples: 100, loss: 0.15, missedVariance: 0.5)) == [])
    #expect(causes(.init(samples: 20, loss: 1, missedVariance: 0.5)) == [])
  }

  @Test(
    "samples of training are asked for where a validation is bad and statistics run, and there is no overfitting then")
  func suspected() {
    var bad = evaluated(100, [(50, 100, 50), (50, 0, 0)], training: 0.95)
    #expect(!StaleStatistics().isSuspected(bad))
    bad.runningStatistics = .init(layer: "a", momentum: 0.9, updates: 100)
    #expect(StaleStatistics().isSuspected(bad))
    var good = evaluated(100, [(50, 50, 45), (50, 50, 45)], training: 0.95)
    good.runningStatistics = bad.runningStatistics
    #expect(!StaleStatistics().isSuspected(good))
    func overfits(_ seen: Double?) -> Bool {
      bad.outputs[0].seen = seen.map { EvaluationFacts.Seen(samples: 100, loss: 1, accuracy: $0) }
      return !findings(by: Overfitting(), in: [bad, bad]).isEmpty
    }
    #expect(overfits(nil) && overfits(0.97) && !overfits(0.5))
  }
}

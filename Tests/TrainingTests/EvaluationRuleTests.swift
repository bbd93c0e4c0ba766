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
private func evaluated(_ epoch: Int, loss: Double, training: Double) -> EvaluationFacts {
  EvaluationFacts(
    step: 100 * epoch, epoch: epoch, samples: 500,
    outputs: [EvaluationFacts.Output(loss: loss, trainingLoss: training)])
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
    let absent = judged([25, 25], [evaluated(200, [(100, 100, 90), (100, 200, 90), (50, 0, 0)])])
    #expect(absent.map(\.cause) == ["absent"] && absent[0].subject == "class 2")
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
}

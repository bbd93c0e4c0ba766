import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackInference
import SwitchbackNeuralNetworks
import SwitchbackReference
import SwitchbackTraining
import Testing

private func loop(_ overrides: [String] = []) throws -> TrainingLoop {
  let settings = [
    "training.optimizer.learning_rate=0.01", "training.reduce_on_plateau={factor: 0.5, patience: 1, min_delta: 0.2}",
  ]
  return try makeLoop(smallRun, settings + overrides)
}

@Suite struct AveragedWeightsTests {
  private struct Seen {
    var validation: [Double?] = []
    var rates: [Double] = []
    var record: EvaluationRecord?
    var messages: [String] = []
    var summary: RunSummary?
  }

  private func run(_ loop: TrainingLoop) throws -> Seen {
    var seen = Seen()
    seen.summary = try loop.run(callbacks: [
      EventHandler(watching: { event in
        switch event {
        case .step(let step): seen.rates.append(step.learningRate)
        case .epoch(let epoch): seen.validation.append(epoch.validationLoss)
        case .tested(let record): seen.record = record
        case .message(let text): seen.messages.append(text)
        default: break
        }
      })
    ])
    return seen
  }

  @Test("the run's answer is the average; validation, rates and weights are those of a run without one")
  func loops() throws {
    let (plain, averaged) = (try loop(), try loop(["training.optimizer.ema_momentum=0.9"]))
    let (a, b) = (try run(plain), try run(averaged))
    #expect(a.validation == b.validation && a.rates == b.rates)
    let weights = try averaged.session.bytes().filter { !$0.key.hasPrefix("ema/") }
    #expect(try plain.session.bytes() == weights)

    let test = try madeData().subset(0..<64)
    let (average, raw) = (
      try averaged.session.evaluate(test, weights: .averaged), try averaged.session.evaluate(test, weights: .raw)
    )
    #expect(average.loss != raw.loss)
    #expect(try averaged.session.evaluate(test) == average)
    #expect(try plain.session.evaluate(test) == raw)
    let summary = try #require(b.summary)
    #expect(summary.testLoss == average.loss && summary.testAccuracy == average.accuracy)
    #expect(summary.rawTestLoss == raw.loss && summary.rawTestAccuracy == raw.accuracy)
    #expect(b.record?.loss == average.loss && b.record?.raw?.loss == raw.loss && b.record?.raw?.classes == raw.classes)
    #expect(b.messages.contains { $0.contains("averaged") && $0.contains("raw") })
    #expect(a.summary?.rawTestLoss == nil && a.record?.raw == nil)
    #expect(throws: ExecutionError.self) { try plain.session.evaluate(test, weights: .averaged) }
  }

  @Test("the average is e ← w + m·(e − w), 0 at first, and is what evaluate, predict and TrainedModel read")
  func byHand() throws {
    let step = TrainingStep(
      model: Sequential {
        Flatten()
        Dense(10, activation: .softmax)
      }, sampleShape: [28, 28, 1], loss: CategoricalCrossentropy(), optimizer: Adam(learningRate: 0.01),
      averageMomentum: 0.8)
    let data = try madeData(count: 256)
    let session = try TrainingSession(step: step, batchSize: 64, seed: 1, on: try chain(ReferenceBackend()))
    func weights(_ prefix: String = "") throws -> [String: [Float]] {
      var result: [String: [Float]] = [:]
      for name in ["layers.1.dense/kernel", "layers.1.dense/bias"] {
        result[name] = try session.states.withBytes(of: prefix + name) { Array($0.bindMemory(to: Float.self)) }
      }
      return result
    }
    // Before the first update the average is the weight.
    #expect(try weights() == weights("ema/"))
    var average: [String: [Double]] = [:]
    for update in 0..<4 {
      try session.train(data, steps: 1)
      for (name, values) in try weights() {
        let before = average[name] ?? []
        average[name] = values.indices.map { e in
          let w = Double(values[e])
          return update == 0 ? w : w + 0.8 * (before[e] - w)
        }
      }
    }
    for (name, values) in try weights("ema/") {
      for (found, expected) in zip(values, average[name]!) {
        #expect(abs(Double(found) - expected) <= 1e-6 * max(1, abs(expected)))
      }
    }
    let sample = try data.sample(3).values
    var logits = average["layers.1.dense/bias"]!
    for (e, x) in sample.enumerated() {
      for j in 0..<10 { logits[j] += Double(x) * average["layers.1.dense/kernel"]![10 * e + j] }
    }
    let powers = logits.map { exp($0 - logits.max()!) }
    let expected = powers.map { $0 / powers.reduce(0, +) }
    let model = try session.trainedModel(for: data)
    #expect(model.weights == .averaged)
    let answers = try [session.predict(sample), session.predict(data, [3])[0], model.predict(sample).outputs]
    for answer in answers {
      for (a, b) in zip(answer, expected) { #expect(abs(Double(a) - b) <= 1e-5) }
    }
    let raw = try session.predict(sample, weights: .raw)
    #expect(zip(raw, expected).contains { abs(Double($0) - $1) > 1e-4 })
    #expect(try session.trainedModel(for: data, weights: .raw).predict(sample).outputs == raw)
  }
}

import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackReference
import SwitchbackTraining
import Testing

/// Of 640 samples unless said: thirteen batches an epoch.
private func loop(_ overrides: [String] = [], count: Int = 640, going checkpoint: Checkpoint? = nil) throws
  -> TrainingLoop
{
  let optimizer = "{type: adam, gradient_accumulation_steps: 4, global_clipnorm: 0.5, ema_momentum: 0.9}"
  return try makeLoop(
    smallRun, ["training.optimizer=" + optimizer] + overrides, data: madeParts(count: count), going: checkpoint)
}

/// As a run before 2026-11-28 wrote it.
private func early(_ checkpoint: Checkpoint) throws -> Checkpoint {
  let encoder = JSONEncoder()
  encoder.nonConformingFloatEncodingStrategy = .convertToString(
    positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
  let json = try JSONSerialization.jsonObject(with: encoder.encode(checkpoint.position))
  var position = try #require(json as? [String: Any])
  for key in ["updates", "accumulated"] {
    let removed = position.removeValue(forKey: key)
    #expect(removed != nil)
  }
  let decoder = JSONDecoder()
  decoder.nonConformingFloatDecodingStrategy = .convertFromString(
    positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
  var result = checkpoint
  result.position = try decoder.decode(
    Checkpoint.Position.self, from: JSONSerialization.data(withJSONObject: position))
  return result
}

@Suite struct AccumulationTests {
  @Test("accumulation over 100 batches with 15 in an epoch is one update of 15 an epoch: that of the whole data")
  func whole() throws {
    let plain = [
      "model.layers=[flatten, dense: {units: 10, activation: softmax}]",
      "training.optimizer={type: sgd, learning_rate: 0.1}", "training.epochs=4",
    ]
    let parts = try loop(
      plain + ["training.batch_size=20", "training.optimizer.gradient_accumulation_steps=100"], count: 300)
    _ = try parts.run()
    #expect(parts.session.updates == 4 && parts.session.batches == 60 && parts.session.accumulated == 0)
    let whole = try loop(plain + ["training.batch_size=300"], count: 300)
    _ = try whole.run()
    let name = "layers.1.dense/kernel"
    let (a, b) = (try parts.session.bytes()[name]!, try whole.session.bytes()[name]!)
    func floats(_ bytes: [UInt8]) -> [Float] { bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) } }
    let worst = zip(floats(a), floats(b)).map { abs($0 - $1) }.max() ?? .infinity
    #expect(worst <= 1e-6, "\(worst)")
  }

  @Test("schedules count updates, and what is left at the end of an epoch is one")
  func schedule() throws {
    let loop = try loop([
      "training.optimizer.learning_rate={type: step, initial_learning_rate: 0.5, factor: 0.5, every: 1}",
      "training.epochs=2",
    ])
    var rates: [Double] = []
    _ = try loop.run(callbacks: [
      EventHandler(watching: { if case .step(let report) = $0 { rates.append(report.learningRate) } })
    ])
    let expected: [Double] = (0..<26).map { (batch: Int) -> Double in
      let update: Int = batch / 13 * 4 + batch % 13 / 4
      return pow(0.5, Double(update + 1))
    }
    #expect(rates == expected)
    #expect(loop.session.updates == 8)
  }

  @Test(
    "interrupted amid an accumulation or after its rest, and resumed: the same weights",
    arguments: [2, 4, 12, 13, 14, 27])
  func resumed(step: Int) throws {
    let whole = try loop()
    let expected = try whole.run()
    let checkpoint = try interrupted(loop(), after: step)
    #expect(checkpoint.position.updates == step / 13 * 4 + step % 13 / 4)
    #expect(checkpoint.position.accumulated == step % 13 % 4)
    let second = try loop()
    let found = try second.run(from: checkpoint)
    #expect(try second.session.bytes() == whole.session.bytes())
    #expect(found.testLoss == expected.testLoss && second.session.updates == 12)
  }

  @Test("ended by steps amid an accumulation, the gradients wait in the checkpoint and that is said")
  func endedBySteps() throws {
    let whole = try loop()
    _ = try whole.run()
    let store = CheckpointStore(run: temporaryRun())
    var messages: [String] = []
    _ = try loop(["training.steps=6"]).run(callbacks: [
      CheckpointSaver(store), EventHandler(watching: { if case .message(let text) = $0 { messages.append(text) } }),
    ])
    #expect(messages.contains { $0.contains("the gradients of the last 2 batches wait") }, "\(messages)")
    let second = try loop()
    _ = try second.run(from: store.newestComplete())
    #expect(try second.session.bytes() == whole.session.bytes())
  }

  @Test("a run that would end before its first update is refused before the first step")
  func noUpdate() throws {
    let error = #expect(throws: ConfigurationError.self) { _ = try loop(["training.steps=3"]).run() }
    #expect(error?.problems.first?.message.contains("ends the run before its first update") == true)
    #expect(error?.problems.first?.message.contains("after 4 batches") == true)
  }

  @Test("a run that was begun earlier goes on accumulating across epochs, and says so")
  func earlyRun() throws {
    let plain = ["training.optimizer.global_clipnorm=null"]
    let checkpoint = try early(interrupted(loop(plain), after: 3))
    #expect(checkpoint.position.updates == nil)
    var messages: [String] = []
    let second = try loop(plain)
    _ = try second.run(
      from: checkpoint,
      callbacks: [EventHandler(watching: { if case .message(let text) = $0 { messages.append(text) } })])
    // 39 batches are nine updates and three batches.
    #expect(second.session.updates == 9 && second.session.accumulated == 3)
    #expect(messages.contains { $0.hasPrefix("as this run began") }, "\(messages)")
  }

  @Test("a run with clipping that was begun earlier goes on with its program")
  func earlyClipping() throws {
    let mark = try early(interrupted(loop(), after: 1))
    let checkpoint = try early(interrupted(loop(going: mark), after: 5))
    // A new run's program scales norms.
    #expect(throws: (any Error).self) { _ = try loop().run(from: checkpoint) }
    let second = try loop(going: checkpoint)
    _ = try second.run(from: checkpoint)
    #expect(second.session.updates == 9)
  }
}

import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackInference
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

/// A layer of one's own: each feature times a learned factor.
struct Scaled: UnaryLayer {
  var kind: String { "scaled" }

  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let scale = try context.parameter("scale", [input.shape.extents.last!], initializer: .ones)
    return try context.append(Binary(.multiply), input, scale)
  }
}

private func file() -> String {
  FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString + ".safetensors").path
}

@Suite struct SessionFileTests {
  private func step(
    _ activation: ActivationFunction = .relu, units: Int = 12, loss: any Loss = CategoricalCrossentropy()
  ) -> TrainingStep {
    TrainingStep(
      model: Sequential {
        Flatten()
        Scaled()
        Dense(units, activation: activation)
        Dropout(0.2)
        Dense(10, activation: .softmax)
      }, sampleShape: [28, 28, 1], loss: loss, optimizer: Adam(learningRate: 0.01), accumulationSteps: 2,
      averageMomentum: 0.9)
  }

  private func session(_ step: TrainingStep, batchSize: Int = 64, seed: Int = 1) throws -> TrainingSession {
    try TrainingSession(step: step, batchSize: batchSize, seed: seed, on: try chain(ReferenceBackend()))
  }

  private func train(_ session: TrainingSession, _ data: any Dataset, _ batches: Range<Int>) throws {
    let order = BatchOrder(count: data.count, batchSize: 64, seed: 3)
    for batch in batches { _ = try session.train(data, order.batch(batch)) }
  }

  @Test("a session with a layer of one's own, saved in mid-update and loaded, goes on to the same bits")
  func goesOn() throws {
    let (data, path) = (try madeData(), file())
    let whole = try session(step())
    try train(whole, data, 0..<5)
    try whole.save(to: path)
    try train(whole, data, 5..<10)
    let second = try session(step())
    try second.load(from: path)
    #expect(second.batches == 5)
    try train(second, data, 5..<10)
    #expect(try second.bytes() == whole.bytes())
  }

  @Test("what is another session is refused, and left as it is")
  func refused() throws {
    let path = file()
    try session(step()).save(to: path)
    func refusal(_ session: TrainingSession, _ path: String) throws -> String {
      let before = try session.bytes()
      var message = ""
      do { try session.load(from: path) } catch { message = (error as? CheckpointMismatch)?.message ?? "\(error)" }
      #expect(try session.bytes() == before)
      return message
    }
    #expect(try refusal(session(step(), seed: 2), path).contains("the seed 1, and this one has 2"))
    #expect(try refusal(session(step(.tanh)), path).contains("another network"))
    #expect(try refusal(session(step(loss: MeanSquaredError())), path).contains("is of another"))
    #expect(try refusal(session(step(), batchSize: 32), path).contains("batch size"))
    #expect(try refusal(session(step(units: 13)), path).contains("layers.2.dense/"))
    #expect(try refusal(session(step()), path + "x").contains("cannot be read"))
    try Data("no tensors".utf8).write(to: URL(fileURLWithPath: path))
    #expect(try refusal(session(step()), path).contains("is no saved session"))
  }

  @Test("another backend takes it, and ends near")
  func otherBackend() throws {
    if !hasOpenBLAS { try Test.cancel("libopenblas.so.0 is not on this machine") }
    let (data, path) = (try madeData(), file())
    let whole = try session(step())
    try train(whole, data, 0..<4)
    try whole.save(to: path)
    let other = try TrainingSession(step: step(), batchSize: 64, seed: 1, on: try chain(OpenBLASBackend()))
    try other.load(from: path)
    try train(whole, data, 4..<8)
    try train(other, data, 4..<8)
    let (a, b) = (try whole.evaluate(data).loss, try other.evaluate(data).loss)
    #expect(abs(a - b) <= 1e-4 * a)
  }
}

import Foundation
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackInference
import SwitchbackInterchange
import SwitchbackReference
import SwitchbackTraining
import Testing

/// A checkpoint for whoever only evaluates and predicts.
@Suite struct CheckpointWeightsTests {
  private let text = smallRun.replacingOccurrences(
    of: "epochs: 3, batch_size: 50, optimizer: {type: adam}",
    with: "epochs: 1, batch_size: 50, optimizer: {type: adam, ema_momentum: 0.9}, "
      + "class_weights: [1, 1, 1, 1, 1, 1, 1, 1, 1, 2]")

  /// A run that is done, and the path of its checkpoint.
  private func trained() throws -> (run: String, path: String, loop: TrainingLoop) {
    let run = temporaryRun()
    let loop = try makeLoop(text, data: madeParts(count: 200))
    _ = try loop.run(callbacks: [CheckpointSaver(CheckpointStore(run: run))])
    try text.write(toFile: run + "/config.yaml", atomically: true, encoding: .utf8)
    return (run, try #require(CheckpointStore(run: run).newestEntry()?.path), loop)
  }

  private func session(like loop: TrainingLoop, evaluating checkpoint: Checkpoint?) throws -> TrainingSession {
    try TrainingSession(
      step: loop.session.step, batchSize: 50, seed: 1, on: try chain(ReferenceBackend()), probeInterval: nil,
      evaluating: checkpoint)
  }

  private func isOfTraining(_ name: String) -> Bool { name.hasPrefix("optimizer/") || name == "loss/classWeights" }

  @Test(
    "weights are read without optimizer slots, and a session that evaluates them has none: its verdicts are the run's")
  func evaluates() throws {
    let (_, path, loop) = try trained()
    let whole = try Checkpoint(decoding: Data(contentsOf: URL(fileURLWithPath: path)))
    let light = try Checkpoint(weightsOf: path)
    #expect(
      light.tensors.tensors == whole.tensors.tensors.filter { !isOfTraining($0.name) }.sorted { $0.name < $1.name })
    #expect(light.position == whole.position && light.data == whole.data)
    #expect(whole.tensors.tensors.contains { $0.name.hasPrefix("optimizer/") })
    let data = try madeData(count: 230)
    // From a whole checkpoint it takes the weights too.
    for checkpoint in [light, whole] {
      let session = try session(like: loop, evaluating: checkpoint)
      #expect(try session.evaluate(data) == loop.session.evaluate(data))
      #expect(try session.evaluate(data, weights: .raw) == loop.session.evaluate(data, weights: .raw))
      let names = Set(session.states.states.keys)
      #expect(names == Set(light.tensors.tensors.map(\.name)))
      let error = #expect(throws: ExecutionError.self) { try session.train(data, [0, 1]) }
      #expect(error?.message.contains("no optimizer slots") == true)
    }
  }

  @Test("slots that a file lacks are not missed by predictions and evaluations, and are by training")
  func leftOut() throws {
    let (run, path, loop) = try trained()
    var file = try Safetensors(decoding: Data(contentsOf: URL(fileURLWithPath: path)))
    file.tensors.removeAll { isOfTraining($0.name) }
    file.metadata["checksum"] = Checkpoint.checksum(file)
    try file.encoded().write(to: URL(fileURLWithPath: path))
    let data = try madeData(count: 20)
    let model = try TrainedModel(run: run, on: try chain(ReferenceBackend()))
    #expect(model.weights == .averaged)
    #expect(try model.predict(data, [3])[0]["labels"]?.outputs == loop.session.predict(data, [3])[0])
    #expect(
      try session(like: loop, evaluating: Checkpoint(weightsOf: path)).evaluate(data) == loop.session.evaluate(data))
    let checkpoint = try Checkpoint(decoding: try file.encoded())
    let error = #expect(throws: CheckpointMismatch.self) {
      try session(like: loop, evaluating: nil).restore(checkpoint)
    }
    #expect(error?.message.contains("it lacks [loss/classWeights, optimizer/") == true, "\(error?.message ?? "")")
  }

  @Test("a checkpoint that is damaged where nobody looks is refused all the same; so is one of another network")
  func damaged() throws {
    let (run, path, loop) = try trained()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    // Slots are last: of names, `optimizer/` comes after `layers.`.
    for change in [
      { (bytes: inout Data) in bytes[bytes.count - 5] ^= 1 }, { (bytes: inout Data) in bytes.removeLast(4) },
      { (bytes: inout Data) in bytes = bytes.prefix(5) }, { (bytes: inout Data) in bytes.append(0) },
    ] {
      var changed = bytes
      change(&changed)
      try changed.write(to: URL(fileURLWithPath: path))
      #expect(throws: Safetensors.FormatError.self) { try Checkpoint(weightsOf: path) }
      #expect(throws: TrainedModelError.self) { try TrainedModel(run: run, on: try chain(ReferenceBackend())) }
    }
    try bytes.write(to: URL(fileURLWithPath: path))
    var other = try Checkpoint(weightsOf: path)
    other.tensors.tensors.removeAll { $0.name == "layers.1.dense/bias" }
    let error = #expect(throws: CheckpointMismatch.self) { try session(like: loop, evaluating: other) }
    #expect(error?.message.contains("it lacks [layers.1.dense/bias]") == true, "\(error?.message ?? "")")
    #expect(throws: FileError.self) { try Checkpoint(weightsOf: run) }
    #expect(throws: FileError.self) { try Checkpoint(weightsOf: run + "/nowhere") }
  }
}

import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackReference
import SwitchbackTraining
import Testing

private let text = """
  version: 1
  model:
    layers:
      - flatten
      - dense: {units: 16, activation: relu}
      - dropout: {rate: 0.3}
      - dense: {units: 10, activation: softmax}
  data: {dataset: mnist}
  training: {epochs: 3, batch_size: 50, optimizer: {type: adam}, checkpoint_steps: 4}
  backend: {name: reference}
  """

private func loop() throws -> TrainingLoop {
  let data = try madeData()
  return try TrainingLoop(
    try Configuration(text: text, file: "test.yaml"),
    data: DatasetParts(train: data, test: data.subset(0..<64)),
    registry: BackendRegistry(linked: [ReferenceBackend()]), host: try HostServices(workers: 2),
    reference: ReferenceBackend())
}

private func folder() -> String {
  FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
}

@Suite struct CheckpointTests {
  @Test(
    "interrupted at any step and resumed, dropout on: final weights and metrics are the same",
    arguments: [1, 4, 7, 12, 13, 14, 26, 30])
  func resume(at step: Int) throws {
    let whole = try loop()
    let expected = try whole.run({ _ in })
    let store = CheckpointStore(run: folder())
    let first = try loop()
    _ = try first.run(isInterrupted: { first.session.batches == step }, save: { _ = try store.save($0) }, { _ in })
    let second = try loop()
    let found = try second.run(from: store.newestComplete(), { _ in })
    #expect(store.newestComplete() != nil)
    #expect(try second.session.bytes() == whole.session.bytes())
    #expect(found.testLoss == expected.testLoss)
    #expect(found.steps == expected.steps)
  }

  @Test("a torn or changed checkpoint is passed over and named; leftovers of a write are ignored")
  func torn() throws {
    let run = folder()
    let store = CheckpointStore(run: run)
    _ = try loop().run(save: { _ = try store.save($0) }, { _ in })
    #expect(store.entries().count == 4)
    #expect(store.entries().last?.path.hasSuffix("best.safetensors") == true)
    let paths = store.entries().map(\.path)
    let newest = try Data(contentsOf: URL(fileURLWithPath: paths[2]))
    try newest.dropLast(10).write(to: URL(fileURLWithPath: paths[2]))
    var flipped = try Data(contentsOf: URL(fileURLWithPath: paths[1]))
    flipped[flipped.count - 100] ^= 1
    try flipped.write(to: URL(fileURLWithPath: paths[1]))
    try Data([1, 2]).write(to: URL(fileURLWithPath: paths[2] + ".partial-1"))
    #expect(store.entries().map { $0.fault == nil } == [true, false, false, true])
    #expect(store.newestComplete()?.position.batches == store.entries()[0].checkpoint?.position.batches)
  }

  @Test("the newest few are kept, and the one with the lowest validation loss")
  func keeps() throws {
    let store = CheckpointStore(run: folder(), keeping: 2)
    var losses: [Double] = []
    _ = try loop().run(save: { _ = try store.save($0) }) {
      if case .epoch(let epoch) = $0 { losses.append(epoch.validationLoss) }
    }
    #expect(store.entries().count == 3)
    let best = try #require(store.best())
    #expect(best.position.bestLoss == losses.min())
    #expect(best.position.batches == 13 * (1 + losses.firstIndex(of: losses.min()!)!))
  }

  @Test("a checkpoint of another model is refused by name")
  func otherModel() throws {
    let store = CheckpointStore(run: folder())
    _ = try loop().run(isInterrupted: { true }, save: { _ = try store.save($0) }, { _ in })
    let other = try session("mnist-linear", on: ReferenceBackend())
    let checkpoint = try #require(store.newestComplete())
    #expect(throws: (any Error).self) { try other.restore(checkpoint) }
  }

  @Test("a folder that cannot be written is an error, and what was saved stays")
  func unwritable() throws {
    let run = folder()
    let store = CheckpointStore(run: run)
    _ = try loop().run(isInterrupted: { true }, save: { _ = try store.save($0) }, { _ in })
    let checkpoint = try #require(store.newestComplete())
    #expect(throws: (any Error).self) { try CheckpointStore(run: "/proc/none").save(checkpoint) }
    #expect(store.newestComplete() != nil)
  }
}

import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackReference
import SwitchbackTraining
import Testing

/// Samples of which one cannot be read until it is mended.
private final class Mendable: Dataset, @unchecked Sendable {
  // Unchecked: the lock is held for every access to what changes.
  private let base: ByteDataset
  private let lock = NSLock()
  private let broken: Int
  private var readsLeft: Int

  /// Sample `broken` fails from its `reads`-th reading on.
  init(_ base: ByteDataset, broken: Int, after reads: Int = 0) {
    (self.base, self.broken, readsLeft) = (base, broken, reads)
  }

  var count: Int { base.count }
  var fields: [Field] { base.fields }
  var classNames: [String] { base.classNames }

  func mend() { lock.withLock { readsLeft = .max } }

  func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    let isReadable = lock.withLock {
      guard index == broken else { return true }
      readsLeft -= 1
      return readsLeft >= 0
    }
    guard isReadable else { throw DatasetError(.corrupt, "sample \(index) is broken") }
    base.read(index, row: row, into: batch)
  }
}

private func loop(_ parts: DatasetParts, _ overrides: [String] = []) throws -> TrainingLoop {
  try makeLoop(smallRun, overrides, data: parts)
}

@Suite struct BadDataTests {
  enum Place: CaseIterable { case train, prefetched, laterEpoch, validation, test }

  @Test(
    "a sample that cannot be read stops the run with a checkpoint; mended, it goes on to the weights it would have had",
    arguments: Place.allCases)
  func stopsAndGoesOn(place: Place) throws {
    let (train, test) = (try madeData(count: 400), try madeData(count: 64))
    var settings = ["data.prefetch=\(place == .prefetched || place == .laterEpoch)"]
    let whole = try loop(DatasetParts(train: train, test: test), settings)
    let expected = try whole.run()
    let parts: DatasetParts
    let broken: Mendable
    switch place {
    case .train, .prefetched:
      broken = Mendable(train, broken: 123)
      parts = DatasetParts(train: broken, test: test)
    case .laterEpoch:
      broken = Mendable(train, broken: 123, after: 1)
      parts = DatasetParts(train: broken, test: test)
    case .validation:
      // Each of the three epochs is validated on the test set.
      broken = Mendable(test, broken: 40, after: 1)
      parts = DatasetParts(train: train, test: broken)
    case .test:
      broken = Mendable(test, broken: 40)
      parts = DatasetParts(train: train, validation: test, test: broken)
    }
    let store = CheckpointStore(
      run: FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path)
    var stop: TrainingLoop.Stop?
    do {
      _ = try loop(parts, settings).run(callbacks: [CheckpointSaver(store)])
    } catch let error as TrainingLoop.Stop {
      stop = error
    }
    guard case .data(let error) = stop else {
      Issue.record("not stopped by its data: \(String(describing: stop))")
      return
    }
    #expect(error.message == "sample \(place == .validation || place == .test ? 40 : 123) is broken")
    let checkpoint = try #require(store.newestComplete())
    // No step is lost: eight in an epoch, and the batch with the broken sample is not among them.
    switch place {
    case .train, .prefetched: #expect(checkpoint.position.batches < 8)
    case .laterEpoch: #expect((8..<16).contains(checkpoint.position.batches))
    case .validation: #expect(checkpoint.position.batches == 16)
    case .test: #expect(checkpoint.position.batches == 24)
    }
    broken.mend()
    settings[0] = "data.prefetch=true"
    let second = try loop(parts, settings)
    let found = try second.run(from: checkpoint, callbacks: [CheckpointSaver(store)])
    #expect(try second.session.bytes() == whole.session.bytes())
    #expect((found.testLoss, found.steps) == (expected.testLoss, expected.steps))
    #expect(store.best()?.position.bestLoss == store.newestComplete()?.position.bestLoss)
  }

  @Test("with restore_best a test that cannot be read leaves the last weights in the checkpoint, not the best")
  func restoredBest() throws {
    let (train, test) = (try madeData(count: 400), try madeData(count: 64))
    // A rate that grows so much that the last epoch is not the best.
    let rate = "{type: exponential, initial_learning_rate: 0.001, decay_steps: 8, decay_rate: 60}"
    let settings = ["training.restore_best=true", "training.optimizer.learning_rate=\(rate)"]
    func newest(_ test: any Dataset) throws -> (Checkpoint, best: Checkpoint) {
      let store = CheckpointStore(
        run: FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path)
      do {
        _ = try loop(DatasetParts(train: train, test: test), settings).run(callbacks: [CheckpointSaver(store)])
      } catch TrainingLoop.Stop.data {}
      return (try #require(store.newestComplete()), try #require(store.best()))
    }
    let whole = try newest(test)
    #expect(whole.best.position.batches < whole.0.position.batches)
    // Each of the three epochs is validated on the test set; the fourth look is the test.
    #expect(try newest(Mendable(test, broken: 40, after: 3)).0.encoded() == whole.0.encoded())
  }

  @Test("what there is to say of the data is said before the first step")
  func notes() throws {
    let data = try madeData(count: 100)
    var lines: [String] = []
    let listener = EventHandler { event in
      if case .message(let line) = event { lines.append(line) }
      if case .step = event { return .finish }
      return .proceed
    }
    _ = try loop(DatasetParts(train: data, test: data, notes: ["3 images are turned"])).run(callbacks: [listener])
    #expect(lines.contains("warning: 3 images are turned"))
  }
}

import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackInterchange
import SwitchbackReference
import SwitchbackTraining
import Testing

private func loop(_ overrides: [String] = []) throws -> TrainingLoop {
  try makeLoop(smallRun, ["training.checkpoint_steps=4"] + overrides)
}

@Suite struct CheckpointTests {
  @Test(
    "interrupted at any step and resumed, dropout and prefetch on: final weights and metrics are the same",
    arguments: [1, 4, 7, 12, 13, 14, 26, 30])
  func resume(at step: Int) throws {
    let whole = try loop()
    let prefetching = ["data.prefetch=true"]
    let expected = try whole.run()
    let store = CheckpointStore(run: temporaryRun())
    let first = try loop(prefetching)
    try interrupted(first, after: step, store)
    let second = try loop(prefetching)
    let found = try second.run(from: store.newestComplete())
    #expect(store.newestComplete() != nil)
    #expect(try second.session.bytes() == whole.session.bytes())
    #expect(found.testLoss == expected.testLoss)
    #expect(found.steps == expected.steps)
  }

  @Test("a torn or changed checkpoint is passed over and named; leftovers of a write are ignored")
  func torn() throws {
    let run = temporaryRun()
    let store = CheckpointStore(run: run)
    _ = try loop().run(callbacks: [CheckpointSaver(store)])
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

  @Test(
    "offsets that lie in no file are an error",
    arguments: ["[4,-9223372036854775808]", "[4,9223372036854775807]", "[4,0]", "[0,8]", "[4]"])
  func hostile(offsets: String) {
    let entry = "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":"
    let header = Data("{\"a\":\(entry)[0,4]},\"b\":\(entry)\(offsets)}}".utf8)
    let file = Data([UInt8(header.count)] + [UInt8](repeating: 0, count: 7)) + header + Data(count: 8)
    let error = #expect(throws: Safetensors.FormatError.self) { _ = try Safetensors(decoding: file) }
    // With an end before its beginning, or without one, it has no place at all.
    let words = offsets.contains(",0]") || offsets.contains("-") || !offsets.contains(",")
    #expect(
      error?.description.contains(words ? "has no type, shape or place" : "does not lie where its header says") == true)
  }

  @Test("reduced on a plateau, interrupted and resumed: the same rates and weights", arguments: [5, 13, 20, 27])
  func plateau(step: Int) throws {
    // Nothing improves by a whole unit, so the rate falls after the second and the third epoch.
    let settings = ["training.reduce_on_plateau={factor: 0.5, patience: 1, min_delta: 1}"]
    var rates: [Double] = []
    let whole = try loop(settings)
    _ = try whole.run(callbacks: [
      EventHandler(watching: { if case .step(let report) = $0 { rates.append(report.learningRate) } })
    ])
    #expect([rates[0], rates[13], rates[26]] == [0.001, 0.001, 0.0005])
    let store = CheckpointStore(run: temporaryRun())
    try interrupted(loop(settings), after: step, store)
    let second = try loop(settings)
    var resumed: [Double] = []
    _ = try second.run(
      from: store.newestComplete(),
      callbacks: [EventHandler(watching: { if case .step(let report) = $0 { resumed.append(report.learningRate) } })])
    #expect(resumed == Array(rates[step...]))
    #expect(try second.session.bytes() == whole.session.bytes())
  }

  @Test("a run that stopped early is complete, and resumed it is only tested")
  func stoppedEarly() throws {
    // Nothing is learned, so the second epoch brings no gain.
    let settings = ["training.early_stopping_patience=1", "training.optimizer.learning_rate=1e-30"]
    let store = CheckpointStore(run: temporaryRun())
    let first = try loop(settings)
    let expected = try first.run(callbacks: [CheckpointSaver(store)])
    #expect(expected.steps == 26)
    let start = try #require(store.newestComplete())
    let second = try loop(settings)
    #expect(second.isComplete(at: start.position))
    #expect(try !loop(settings + ["training.early_stopping_patience=2"]).isComplete(at: start.position))
    let found = try second.run(from: start)
    #expect(found.steps == 26 && found.testLoss == expected.testLoss)
  }

  @Test("a callback can end a run early as if it had been that long")
  func finish() throws {
    let loop = try loop()
    var events: [String] = []
    let summary = try loop.run(callbacks: [
      EventHandler { event in
        switch event {
        case .epoch: events.append("epoch")
        case .tested: events.append("tested")
        case .finished: events.append("finished")
        case .step(let report) where report.step == 15: return .finish
        default: break
        }
        return .proceed
      }
    ])
    #expect(summary.steps == 15)
    #expect(events == ["epoch", "epoch", "tested", "finished"])
  }

  @Test("the newest few are kept, and the one with the lowest validation loss")
  func keeps() throws {
    let store = CheckpointStore(run: temporaryRun(), keeping: 2)
    var losses: [Double] = []
    let recorder = EventHandler(watching: {
      if case .epoch(let epoch) = $0 { losses.append(epoch.validationLoss ?? .nan) }
    })
    _ = try loop().run(callbacks: [CheckpointSaver(store), recorder])
    #expect(store.entries().count == 3)
    let best = try #require(store.best())
    #expect(best.position.bestLoss == losses.min())
    #expect(best.position.batches == 13 * (1 + losses.firstIndex(of: losses.min()!)!))
  }

  @Test("a checkpoint of another model is refused by name")
  func otherModel() throws {
    let store = CheckpointStore(run: temporaryRun())
    try interrupted(loop(), after: 1, store)
    let other = try session("mnist-linear", on: ReferenceBackend())
    let checkpoint = try #require(store.newestComplete())
    #expect(throws: (any Error).self) { try other.restore(checkpoint) }
  }

  @Test("a folder that cannot be written is an error, and what was saved stays")
  func unwritable() throws {
    let run = temporaryRun()
    let store = CheckpointStore(run: run)
    try interrupted(loop(), after: 1, store)
    let checkpoint = try #require(store.newestComplete())
    #expect(throws: (any Error).self) { try CheckpointStore(run: "/proc/none").save(checkpoint) }
    #expect(store.newestComplete() != nil)
  }
}

@Suite struct HostileCheckpointTests {
  @Test(
    "a position that no run can have is no checkpoint, whatever its checksum says",
    arguments: [
      ("\"epoch\":1", "\"epoch\":-1"), ("\"epoch\":1", "\"epoch\":9223372036854775807"),
      ("\"batchInEpoch\":0", "\"batchInEpoch\":-1"), ("\"batches\":0", "\"batches\":-5"),
      ("\"accumulated\":0", "\"accumulated\":9223372036854775807"), ("\"updates\":0", "\"updates\":-1"),
    ])
  func position(sound: String, forged: String) throws {
    let (loop, path) = (try loop(), temporaryRun())
    try loop.session.save(to: path)
    let file = try Safetensors(decoding: try Data(contentsOf: URL(fileURLWithPath: path)))
    let text = try #require(file.metadata["position"])
    #expect(text.contains(sound), "\(text)")
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    var checkpoint = try Checkpoint(decoding: try Data(contentsOf: URL(fileURLWithPath: path)))
    checkpoint.position = try decoder.decode(
      Checkpoint.Position.self, from: Data(text.replacingOccurrences(of: sound, with: forged).utf8))
    #expect(throws: Safetensors.FormatError.self) { try Checkpoint(decoding: try checkpoint.encoded()) }
  }

  @Test(
    "of another form, the place is named, in the file's words",
    arguments: [
      ("\"epoch\":1", "\"epoch\":\"one\"", "epoch is no whole number"), ("\"epoch\":1,", "", "epoch is missing"),
      ("\"lossSum\":0", "\"lossSum\":[]", "lossSum is no number"), ("{", "", "it is no JSON"),
      ("\"epoch\":1", "\"epoch\":1,\"plateau\":{\"factor\":[]}", "plateau.factor is no number"),
    ])
  func form(sound: String, forged: String, words: String) throws {
    let (loop, path) = (try loop(), temporaryRun())
    try loop.session.save(to: path)
    var file = try Safetensors(decoding: try Data(contentsOf: URL(fileURLWithPath: path)))
    let text = try #require(file.metadata["position"])
    let place = try #require(text.range(of: sound), "\(text)")
    file.metadata["position"] = text.replacingCharacters(in: place, with: forged)
    file.metadata["checksum"] = Checkpoint.checksum(file)
    let error = #expect(throws: Safetensors.FormatError.self) { try Checkpoint(decoding: try file.encoded()) }
    #expect(error?.description == "its position cannot be read: \(words)")
  }
}

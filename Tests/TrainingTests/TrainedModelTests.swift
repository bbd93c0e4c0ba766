import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackInference
import SwitchbackInterchange
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

private let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")

private func file() -> String {
  FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString + ".safetensors").path
}

/// A table of three columns with two classes.
private let samples = SampleFormat(
  shape: [3], classNames: ["no", "yes"], features: ["a", "b", "c"], labels: ["class"],
  normalization: [.init(mean: 1e8, deviation: 2), .init(mean: -1, deviation: 0.5), .init(mean: 0, deviation: 0)])

private func session(_ loss: any Loss = BinaryCrossentropy(fromLogits: true)) throws -> TrainingSession {
  let step = TrainingStep(
    model: Sequential {
      Scaled()
      Dense(4, activation: .tanh)
      Dense(1)
    }, sampleShape: [3], loss: loss, optimizer: SGD())
  return try TrainingSession(step: step, batchSize: 8, seed: 5, on: try chain(ReferenceBackend()))
}

@Suite struct TrainedModelTests {
  @Test("saved and loaded, without its layers' types, it answers the same, on another backend nearly")
  func roundTrip() throws {
    let (session, path) = (try session(), file())
    let model = try session.trainedModel(for: samples)
    try model.save(to: path)
    let loaded = try TrainedModel(file: path, on: try chain(ReferenceBackend()))
    #expect(loaded.samples == samples && loaded.weights == .raw && loaded.areProbabilities)
    let rows: [[Double]] = [[1e8 + 3, -0.5, 0.25], [1e8, 0, -2], [1e8 - 1, -3, 7]]
    for row in rows {
      let answer = try loaded.predict(row: row)
      #expect(try answer == model.predict(row: row))
      // By hand: normalized in Float64, where Float32 cannot tell 100000003 from 100000000.
      let input = [(row[0] - 1e8) / 2, (row[1] + 1) / 0.5, row[2]].map { Float($0) }
      #expect(try answer == loaded.predict(input) && answer.outputs == session.predict(input))
      #expect(answer.scores == [1 - Double(answer.outputs[0]), Double(answer.outputs[0])])
      #expect(answer.best?.name == (answer.outputs[0] > 0.5 ? "yes" : "no"))
      #expect(answer.likeliest().map(\.index) == (answer.outputs[0] > 0.5 ? [1, 0] : [0, 1]))
    }
    #expect(try loaded.predict(rows.map { $0.map { Float($0) } }).count == 3)
    guard hasOpenBLAS else { return }
    let other = try TrainedModel(file: path, on: try chain(OpenBLASBackend()))
    for row in rows {
      #expect(try abs(other.predict(row: row).outputs[0] - loaded.predict(row: row).outputs[0]) <= 1e-5)
    }
  }

  @Test("what is no sample of it is refused by what it is")
  func refusedSamples() throws {
    let model = try session().trainedModel(for: samples)
    func refusal(_ body: () throws -> Void) -> String {
      do { try body() } catch { return "\(error)" }
      return ""
    }
    #expect(refusal { _ = try model.predict([1, 2]) }.contains("2 numbers are no sample [3]"))
    #expect(refusal { _ = try model.predict(row: [1, 2]) }.contains("2 numbers are no row"))
    #expect(refusal { _ = try model.predict(row: [1, 1e200, 1]) }.contains("b: 1e+200 is too large"))
    #expect(refusal { _ = try model.predict([.infinity, 0, 0]) }.isEmpty)
    #expect(refusal { _ = try model.predict([.nan, 0, 0]) }.contains("not finite"))
    let image = try Image(bytes: Array("P5 1 1 255 x".utf8), path: "x.pgm")
    #expect(refusal { _ = try model.predict(image) }.contains("no images"))
  }

  @Test("a picture is resized, made gray, and read as in training")
  func image() throws {
    let step = TrainingStep(
      model: Sequential {
        Flatten()
        Dense(3, activation: .softmax)
      }, sampleShape: [2, 2, 1], loss: CategoricalCrossentropy(), optimizer: SGD())
    let session = try TrainingSession(step: step, batchSize: 4, seed: 1, on: try chain(ReferenceBackend()))
    let model = try session.trainedModel(for: SampleFormat(shape: [2, 2, 1], classNames: ["a", "b", "c"]))
    #expect(model.samples.inputs[0].channels == .gray)
    let pixels: [UInt8] = [0, 255, 51, 102]
    let image = try Image(bytes: Array("P5 2 2 255\n".utf8) + pixels, path: "x.pgm")
    #expect(try model.predict(image).outputs == model.predict(pixels.map { Float($0) * (1 / 255) }).outputs)
  }

  // MARK: Formats

  /// `Golden/model.py` writes the file, and computes what it answers.
  private struct Expected: Decodable {
    var rows: [[Double]]
    var outputs: [[Double]]
    var classes: [String]
  }

  @Test("a file of format 1, which another program wrote from its description, is read and answers what that computes")
  func format1() throws {
    let path = golden.appendingPathComponent("model-1.safetensors").path
    let expected = try JSONDecoder().decode(
      Expected.self, from: Data(contentsOf: golden.appendingPathComponent("model-1.json")))
    let model = try TrainedModel(file: path, on: try chain(ReferenceBackend()))
    #expect(model.samples == samples && expected.rows.count >= 4)
    for (index, row) in expected.rows.enumerated() {
      let answer = try model.predict(row: row)
      for (a, b) in zip(answer.outputs, expected.outputs[index]) { #expect(abs(Double(a) - b) <= 1e-6) }
      #expect(answer.best?.name == expected.classes[index])
    }
    // What is written today reads the same.
    let again = file()
    try model.save(to: again)
    let files = try [path, again].map { try Safetensors(decoding: Data(contentsOf: URL(fileURLWithPath: $0))) }
    #expect(files[0].tensors == files[1].tensors && files[0].metadata["program"] == files[1].metadata["program"])
    #expect(Set(expected.classes).count == 2)
  }

  /// Changes a saved model and answers why it is not read; empty where it is.
  private func fault(_ change: (inout Safetensors) -> Void, seals: Bool = true) throws -> String {
    let path = file()
    try session().trainedModel(for: samples).save(to: path)
    var saved = try Safetensors(decoding: Data(contentsOf: URL(fileURLWithPath: path)))
    change(&saved)
    if seals { saved.metadata["checksum"] = TrainedModel.checksum(saved) }
    try saved.encoded().write(to: URL(fileURLWithPath: path))
    do {
      _ = try TrainedModel(file: path, on: try chain(ReferenceBackend()))
      return ""
    } catch {
      return (error as? TrainedModelError)?.message ?? "not a TrainedModelError: \(error)"
    }
  }

  private func programFault(_ change: (String) -> String) throws -> String {
    try fault { $0.metadata["program"] = change($0.metadata["program"]!) }
  }

  @Test("hostile files are refused by their fault")
  func hostile() throws {
    #expect(try fault { _ in }.isEmpty)
    #expect(try fault({ $0.tensors[0].bytes[0] ^= 1 }, seals: false).contains("checksum"))
    #expect(try fault { $0.metadata["format"] = "switchback-model-4" }.contains("format 4, of a later Switchback"))
    #expect(try fault { $0.metadata["format"] = "switchback-checkpoint-1" }.contains("do not say that it is one"))
    #expect(try fault { $0.metadata["program"] = nil }.contains("lack the program"))
    #expect(try fault { $0.metadata["samples"] = "{}" }.contains("is no trained model"))
    #expect(try fault { $0.tensors.removeLast() }.contains("is missing"))
    #expect(try fault { $0.tensors.append(.init(name: "x", shape: [0], bytes: Data())) }.contains("has no weight x"))
    #expect(
      try fault { file in
        let index = file.tensors.firstIndex { $0.shape == [3, 4] }!
        file.tensors[index].shape = [4, 3]
      }.contains("and the network needs f32[3,4]"))
    #expect(
      try fault { file in
        let index = file.tensors.firstIndex { $0.shape == [4] }!
        file.tensors[index].type = "I32"
      }.contains("is I32"))
    #expect(
      try fault { $0.metadata["samples"]!.replace("\"shape\":[3]", with: "\"shape\":[4]") }.contains("not one f32[1,4]")
    )
    #expect(
      try fault { $0.metadata["samples"]!.replace("\"shape\":[3]", with: "\"shape\":[-3]") }.contains("no element"))
    #expect(
      try fault { $0.metadata["samples"]!.replace("\"no\",", with: "\"no\",\"maybe\",") }.contains("3 classes for 1"))
    #expect(try fault { $0.metadata["samples"]!.replace("\"a\",", with: "") }.contains("2 columns are named"))
    #expect(
      try fault { $0.metadata["samples"]!.replace("\"deviation\":0.5", with: "\"deviation\":-1") }.contains(
        "not finite"))
    #expect(
      try fault { $0.metadata["samples"]!.replace("\"targets\":{}", with: "\"targets\":{\"values\":2}") }.contains(
        "2 numbers were learnt"))

    #expect(try programFault { $0 + "nonsense(%0)\n" }.contains("line "))
    #expect(try programFault { $0 + "input %900 more f32[1,3]\n" }.contains("not one f32[1,3]"))
    #expect(try programFault { $0 + "step %900 learningRate f32[]\n" }.contains("learningRate would have to be given"))
    #expect(try programFault { $0 + "output other %0\n" }.contains("other outputs than predictions"))
    #expect(
      try programFault { $0.replacingOccurrences(of: "output predictions", with: "output p") }.contains(
        "no output predictions"))
    #expect(
      try programFault {
        $0 + "%900: f32[100000,100000] = fill() {value: 0.0, shape: [100000, 100000], elementType: \"f32\"}\n"
      }
      .contains("one sample needs 40 GB"))
    #expect(try programFault { $0 + String(repeating: "\n", count: 1 << 15) }.contains("lines"))
    #expect(try programFault { $0 + "program " + String(repeating: "x", count: 5 << 20) + "\n" }.contains("bytes"))
    // A weight that its own use would change.
    let assign = try programFault { text in
      let id = text.split(separator: "\n").first { $0.hasPrefix("state ") && $0.hasSuffix("f32[3]") }!
        .split(separator: " ")[1]
      return text + "\(id) = assign(\(id), \(id))\n"
    }
    #expect(assign.contains("changes layers.0.scaled/scale"), "\(assign)")
  }

  @Test("a folder or file that is no model says so")
  func noModel() throws {
    let chain = try chain(ReferenceBackend())
    #expect(throws: TrainedModelError.self) { try TrainedModel(file: "/nowhere", on: chain) }
    #expect(throws: TrainedModelError.self) { try TrainedModel(file: root + "/README.md", on: chain) }
    #expect(throws: TrainedModelError.self) { try TrainedModel(run: root, on: chain) }
  }
}

// MARK: Weights to start with

@Suite struct InitialWeightsTests {
  private func loop(_ overrides: [String] = []) throws -> TrainingLoop {
    let settings = [
      "training.epochs=1", "training.class_weights=[1, 1, 1, 1, 1, 1, 1, 1, 1, 2]",
      "model.layers=[flatten, dense: {units: 16, activation: relu}, dense: {units: 10, activation: softmax}]",
    ]
    return try makeLoop(smallRun, settings + overrides, data: madeParts(count: 200), linked: [OpenBLASBackend()])
  }

  private func trained(_ overrides: [String] = []) throws -> (run: String, session: TrainingSession) {
    let run = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    let loop = try loop(overrides)
    _ = try loop.run(callbacks: [CheckpointSaver(CheckpointStore(run: run))])
    return (run, loop.session)
  }

  private func weights(_ session: TrainingSession, _ prefix: String = "") throws -> [String: [UInt8]] {
    try session.bytes().filter { $0.key.hasPrefix(prefix + "layers.") }.reduce(into: [:]) {
      $0[String($1.key.dropFirst(prefix.count))] = $1.value
    }
  }

  @Test("weights come from a run, a checkpoint, a session's file or a model, and nothing else does")
  func sources() throws {
    let (run, session) = try trained()
    let (saved, model) = (file(), file())
    try session.save(to: saved)
    try session.trainedModel(for: try madeData()).save(to: model)
    let newest = try #require(CheckpointStore(run: run).newestEntry()?.path)
    for source in [run, newest, saved, model] {
      let next = try loop(["model.from=\(source)"])
      let fresh = try loop()
      let record = try #require(try next.loadInitialWeights())
      #expect(record.sha256.count == 64 && record.weights == .raw)
      #expect(try weights(next.session) == weights(session))
      let slots = { (session: TrainingSession) in try session.bytes().filter { $0.key.hasPrefix("optimizer/") } }
      #expect(try slots(next.session) == slots(fresh.session))
      #expect(next.session.batches == 0)
    }
    // `run` reads them by itself.
    let next = try loop(["model.from=\(run)", "training.optimizer.learning_rate=0"])
    var looks: [Bool] = []
    _ = try next.run(callbacks: [
      EventHandler(watching: { if case .probes(let rows) = $0 { looks.append(rows.facts.beganTrained) } })
    ])
    #expect(try weights(next.session) == weights(session))
    // So no rule takes these weights for drawn ones.
    #expect(!looks.isEmpty && looks.allSatisfy { $0 })
  }

  @Test("of a run with averages it is the average, and a run with averages starts both with it")
  func averages() throws {
    let average = "training.optimizer.ema_momentum=0.9"
    let (run, session) = try trained([average])
    let next = try loop(["model.from=\(run)", average])
    #expect(try next.loadInitialWeights()?.weights == .averaged)
    #expect(try weights(next.session) == weights(session, "ema/"))
    #expect(try weights(next.session, "ema/") == weights(session, "ema/"))
    #expect(try weights(session) != weights(session, "ema/"))
  }

  @Test("all that does not fit is said at once, and nothing is changed")
  func mismatches() throws {
    let (run, _) = try trained()
    let other = try loop([
      "model.layers=[flatten, {dense: {units: 12}}, {dense: {units: 12, name: middle}}, {dense: {units: 10}}]",
      "model.from=\(run)",
    ])
    let before = try other.session.bytes()
    let error = #expect(throws: CheckpointMismatch.self) { try other.loadInitialWeights() }
    let lines = error?.message.split(separator: "\n").map(String.init) ?? []
    for part in [
      "layers.1.dense/kernel is F32 [784, 16] there, and F32 [784, 12] here", "layers.1.dense/bias is F32 [16] there",
      "middle/kernel [12, 12] is not there", "layers.3.dense/bias [10] is not there",
      "layers.2.dense/kernel [16, 10] is not in this network",
    ] { #expect(lines.contains { $0.contains(part) }, "\(part): \(lines)") }
    #expect(lines.count == 1 + 6 + 2)
    #expect(try other.session.bytes() == before)
    let missing = try loop(["model.from=/nowhere"])
    #expect(throws: DatasetError.self) { try missing.loadInitialWeights() }
    let broken = try loop(["model.from=\(root)/README.md"])
    #expect(throws: DatasetError.self) { try broken.loadInitialWeights() }
  }

  // MARK: Other bits

  @Test("another backend goes on where that is allowed, and is the checkpoint's from then on")
  func otherBits() throws {
    if !hasOpenBLAS { try Test.cancel("libopenblas.so.0 is not on this machine") }
    let (run, _) = try trained()
    let start = try #require(CheckpointStore(run: run).newestComplete())
    let more = ["training.epochs=2"]
    let whole = try loop(more)
    _ = try whole.run()
    let other = try loop(more + ["backend=openblas"])
    #expect(throws: ExecutionError.self) { try other.check(start) }
    other.allowsOtherBits = true
    try other.check(start)
    #expect(try other.givesOtherBits(start))
    let next = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    let found = try other.run(from: start, callbacks: [CheckpointSaver(CheckpointStore(run: next))])
    let expected = try whole.session.evaluate(try madeData(count: 200)).loss
    #expect(abs(try other.session.evaluate(try madeData(count: 200)).loss - expected) <= 1e-4 * expected)
    #expect(found.steps == 8)
    // It is a run of openblas now.
    let last = try #require(CheckpointStore(run: next).newestComplete())
    let again = try loop(["training.epochs=3", "backend=openblas"])
    try again.check(last)
    #expect(try !again.givesOtherBits(last))
    #expect(throws: ExecutionError.self) { try loop(more).check(last) }
  }

  @Test(
    "with other bits allowed, another network, loss, optimizer, batch size or seed is still refused",
    arguments: [
      ("model.layers.1.dense.activation=tanh", "another network"), ("training.batch_size=40", "batch size"),
      ("training.loss={type: categorical_crossentropy, label_smoothing: 0.1}", "another network, loss"),
      ("training.optimizer={type: adam, beta_1: 0.8}", "optimizer"), ("training.seed=2", "another seed"),
      ("model.layers.1.dense.units=17", "layers.1.dense/"), ("training.optimizer=sgd", "optimizer/"),
    ])
  func otherRun(override: String, words: String) throws {
    let (run, _) = try trained()
    let start = try #require(CheckpointStore(run: run).newestComplete())
    let other = try loop([override])
    other.allowsOtherBits = true
    var message = ""
    do { try other.check(start) } catch { message = (error as? CheckpointMismatch)?.message ?? "\(error)" }
    #expect(message.contains(words), "\(message)")
  }
}

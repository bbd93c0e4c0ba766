import Foundation
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackInference
import SwitchbackInterchange
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

/// Twelve samples: pictures `[2, 2, 1]`, rows of three numbers, a class of three, two numbers to be learnt, and a field
/// that nobody reads.
private func data() throws -> ArrayDataset {
  let philox = Philox(seed: 3)
  func numbers(_ count: Int, _ stream: UInt32) -> [Float] {
    (0..<count).map { Float(philox.bits(block: $0, stream: Int(stream), step: 0)[0] & 255) / 255 }
  }
  return try ArrayDataset([
    .float32("images", numbers(48, 0), shape: [2, 2, 1]), .float32("table", numbers(36, 1), shape: [3]),
    .int32("digit", (0..<12).map { Int32($0 % 3) }), .float32("ink", numbers(24, 2), shape: [2]),
    .uint8("note", [UInt8](repeating: 7, count: 12)),
  ])
}

/// What is known of them: the table's rows are normalized, and classes have names.
private let samples = SampleFormat(
  inputs: [
    .init(
      "table", shape: [3], features: ["a", "b", "c"],
      normalization: [.init(mean: 10, deviation: 2), .init(mean: 0, deviation: 1), .init(mean: -1, deviation: 0)]),
    .init("images", shape: [2, 2, 1]), .init("unused", shape: [5]),
  ],
  outputs: [
    .init(target: "ink", targets: .values(2), labels: ["dark", "bright"]),
    .init(target: "digit", classNames: ["zero", "one", "two"]),
  ])

private func session(_ averageMomentum: Double? = nil) throws -> TrainingSession {
  let model = Graph(outputs: ["what", "ink"]) {
    Flatten(name: "seen").reading("images")
    Dense(4, activation: .tanh, name: "side").reading("table")
    Concatenate(name: "both").reading("seen", "side")
    Dense(3, name: "what")
    Dense(2, name: "ink").reading("both")
  }
  let step = TrainingStep(
    model: model, inputs: [ModelInput("images", .float32([2, 2, 1])), ModelInput("table", .float32([3]))],
    objectives: [
      Objective(output: "what", target: "digit", loss: CategoricalCrossentropy(fromLogits: true)),
      Objective(output: "ink", target: "ink", loss: MeanSquaredError(), weight: 0.1),
    ], optimizer: Adam(), averageMomentum: averageMomentum)
  let session = try TrainingSession(step: step, batchSize: 4, seed: 5, on: try chain(ReferenceBackend()))
  for index in 0..<3 { _ = try session.train(try data(), Array(Int32(4 * index)..<Int32(4 * index + 4))[...]) }
  return session
}

private func file() -> String {
  FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString + ".safetensors").path
}

private func refusal(_ body: () throws -> Void) -> String {
  do { try body() } catch { return (error as? TrainedModelError)?.message ?? "another error: \(error)" }
  return ""
}

@Suite struct SeveralFieldsModelTests {
  @Test(
    "two fields and two answers: saved and loaded it says by name what the session says, of a data set and of values")
  func roundTrip() throws {
    let (session, data, path) = (try session(), try data(), file())
    let model = try session.trainedModel(for: samples)
    try model.save(to: path)
    #expect(
      try Safetensors(decoding: Data(contentsOf: URL(fileURLWithPath: path))).metadata["format"] == "switchback-model-2"
    )
    let loaded = try TrainedModel(file: path, on: try chain(ReferenceBackend()))
    #expect(loaded.samples == model.samples)
    // In the model's order: what it reads and answers, and nothing else.
    #expect(loaded.samples.inputs == [samples.inputs[1], samples.inputs[0]])
    #expect(loaded.samples.outputs.map(\.name) == ["what", "ink"])
    #expect(loaded.samples.outputs[0].classNames == ["zero", "one", "two"])
    #expect(loaded.areProbabilities(of: "what") && !loaded.areProbabilities(of: "ink"))
    let answers = try loaded.predict(data, [7, 0])
    #expect(answers.count == 2)
    for (answer, index) in zip(answers, [7, 0]) {
      let said = try session.predictions(data, [Int32(index)])
      #expect(answer["what"]?.outputs == said["what"]?[0] && answer["ink"]?.outputs == said["ink"]?[0])
      #expect(answer.count == 2 && answer["what"]?.outputs.count == 3)
      #expect(answer["ink"]?.best == nil && ["zero", "one", "two"].contains(answer["what"]?.best?.name))
      let numbers = try data.numbers([Int32(index)])
      let given = numbers.mapValues { FieldValue.numbers($0.map(Float.init)) }
      #expect(try loaded.predict(fields: given.filter { ["images", "table"].contains($0.key) }) == answer)
    }
    #expect(answers[0] != answers[1])
  }

  @Test("a row is normalized and a picture resized, each for its field")
  func values() throws {
    let model = try session().trainedModel(for: samples)
    let image = try Image(bytes: Array("P5 2 2 255\n".utf8) + [0, 255, 51, 102], path: "x.pgm")
    let pixels: [Float] = [0, 255, 51, 102].map { $0 * (1 / 255) }
    #expect(
      try model.predict(fields: ["images": .image(image), "table": .row([13, 0.5, 2])])
        == model.predict(fields: ["images": .numbers(pixels), "table": .numbers([1.5, 0.5, 3])]))
  }

  @Test("fields and indices that are none are errors in words")
  func refusals() throws {
    let model = try session().trainedModel(for: samples)
    let pixels = FieldValue.numbers([0, 0, 0, 0])
    func said(_ fields: [String: FieldValue]) -> String { refusal { _ = try model.predict(fields: fields) } }
    #expect(
      said(["images": pixels]).contains("the field table is missing; the network reads images f32 [2, 2, 1], table"))
    #expect(
      said(["images": pixels, "rows": pixels]).contains("reads no field rows; it reads images f32 [2, 2, 1], table"))
    #expect(said(["images": pixels, "table": pixels]) == "table: 4 numbers are no sample [3]")
    #expect(said(["images": pixels, "table": .row([1])]).contains("table: 1 numbers are no row"))
    #expect(said(["images": pixels, "table": .row([1, 1e60, 1])]).contains("table: b: 1e+60 is too large"))
    #expect(said(["images": pixels, "table": .integers([1, 2, 3])]).contains("takes f32 [3], and is given i32"))
    #expect(said(["images": .row([1]), "table": pixels]).contains("images: 1 numbers are no row"))
    #expect(said(["images": pixels, "table": .numbers([.nan, 0, 0])]).contains("not finite"))
    #expect(said(["images": pixels, "table": .numbers([0, 0, 0])]).isEmpty)
    let short = refusal { _ = try model.predict([0, 0, 0, 0]) }
    #expect(short.contains("answers what, ink: predict(fields:)"), "\(short)")
    #expect(refusal { _ = try model.predict(try data(), [12]) }.contains("there is no sample 12: the data has 12"))
    #expect(refusal { _ = try model.predict(try data(), [-1]) }.contains("no sample -1"))
    let others = try ArrayDataset([.float32("images", [0, 0, 0, 0], shape: [2, 2, 1])])
    let error = #expect(throws: DatasetError.self) { try model.predict(others, [0]) }
    #expect(error?.message.contains("reads table f32[1,3], and the data has no field of that name") == true)
    #expect(
      refusal { _ = try session().trainedModel(for: SampleFormat(shape: [3])) }
        .contains("trained for digit, and the samples have no such field or target; they have images, labels"))
  }

  @Test("a data set that does not say what its targets are is enough, and the average answers where it is kept")
  func undeclared() throws {
    let (session, data) = (try session(0.5), try data())
    let model = try session.trainedModel(for: data)
    #expect(model.weights == .averaged)
    #expect(model.samples.outputs.map(\.targets) == [.classes, .values(2)])
    #expect(try model.predict(data, [1])[0]["ink"]?.outputs == session.predictions(data, [1])["ink"]?[0])
    let raw = try session.trainedModel(for: data, weights: .raw)
    #expect(try raw.predict(data, [1])[0]["ink"]?.outputs == session.predictions(data, [1], weights: .raw)["ink"]?[0])
    #expect(try raw.predict(data, [1]) != model.predict(data, [1]))
  }

  @Test("tokens are a field of whole numbers; one outside the table is an error")
  func tokens() throws {
    let step = TrainingStep(
      model: Sequential {
        Embedding(6, 2)
        Flatten()
        Dense(2, activation: .softmax)
      }, inputs: [ModelInput("tokens", TensorType(.int32, [3]))],
      objectives: [Objective(loss: CategoricalCrossentropy())], optimizer: SGD())
    let session = try TrainingSession(step: step, batchSize: 2, seed: 1, on: try chain(ReferenceBackend()))
    let data = try ArrayDataset(
      [.int32("tokens", [0, 1, 2, 3, 4, 5], shape: [3]), .int32("labels", [0, 1])], classNames: ["no", "yes"])
    let path = file()
    try session.trainedModel(for: data).save(to: path)
    let model = try TrainedModel(file: path, on: try chain(ReferenceBackend()))
    #expect(model.samples.inputs == [.init("tokens", .int32, shape: [3])])
    let answer = try model.predict(fields: ["tokens": .integers([3, 4, 5])])
    #expect(answer["labels"]?.outputs == (try session.predict(data, [1])[0]))
    #expect(refusal { _ = try model.predict([3, 4, 5]) }.contains("takes i32 [3], and is given f32"))
    for token: Int32 in [6, -1] {
      let unknown = #expect(throws: TrainedModelError.self) {
        try model.predict(fields: ["tokens": .integers([3, 4, token])])
      }
      #expect(unknown?.message.contains("the field tokens has the token \(token), and") == true)
    }
  }

  @Test("one field and one answer of any name are a file of format 1, which says the names that are not the usual ones")
  func plainNames() throws {
    let model = Graph(outputs: ["digit"]) { Dense(3, activation: .softmax, name: "digit") }
    let step = TrainingStep(
      model: model, inputs: [ModelInput("table", .float32([2]))],
      objectives: [Objective(target: "kind", loss: CategoricalCrossentropy())], optimizer: SGD())
    let session = try TrainingSession(step: step, batchSize: 2, seed: 1, on: try chain(ReferenceBackend()))
    let path = file()
    try session.trainedModel(for: SampleFormat(shape: [2], classNames: ["a", "b", "c"])).save(to: path)
    let metadata = try Safetensors(decoding: Data(contentsOf: URL(fileURLWithPath: path))).metadata
    #expect(metadata["format"] == "switchback-model-1")
    #expect(metadata["samples"]?.contains("\"output\":\"digit\"") == true)
    let loaded = try TrainedModel(file: path, on: try chain(ReferenceBackend()))
    #expect(loaded.samples.inputs.map(\.name) == ["table"] && loaded.samples.outputs.map(\.name) == ["digit"])
    #expect(loaded.samples.outputs.map(\.target) == ["kind"])
    #expect(try loaded.predict([1, 2]) == loaded.predict(fields: ["table": .numbers([1, 2])])["digit"])
  }

  /// `Golden/model.py` writes the file, and computes what it answers.
  private struct Expected: Decodable {
    var images: [[Float]]
    var rows: [[Double]]
    var what: [[Double]]
    var ink: [[Double]]
  }

  @Test("a file of format 2, which another program wrote from its description, is read and answers what that computes")
  func format2() throws {
    let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")
    let path = golden.appendingPathComponent("model-2.safetensors").path
    let expected = try JSONDecoder().decode(
      Expected.self, from: Data(contentsOf: golden.appendingPathComponent("model-2.json")))
    let model = try TrainedModel(file: path, on: try chain(ReferenceBackend()))
    #expect(model.samples.inputs.map(\.column) == ["file", nil] && expected.rows.count == 3)
    for (index, row) in expected.rows.enumerated() {
      let answers = try model.predict(fields: ["images": .numbers(expected.images[index]), "table": .row(row)])
      for (name, numbers) in [("what", expected.what[index]), ("ink", expected.ink[index])] {
        let outputs = try #require(answers[name]?.outputs)
        #expect(outputs.count == numbers.count)
        for (a, b) in zip(outputs, numbers) { #expect(abs(Double(a) - b) <= 1e-6, "\(name) \(index)") }
      }
    }
    // What is written today reads the same.
    let again = file()
    try model.save(to: again)
    let files = try [path, again].map { try Safetensors(decoding: Data(contentsOf: URL(fileURLWithPath: $0))) }
    #expect(files[0].tensors == files[1].tensors)
    for key in ["format", "program", "weights"] { #expect(files[0].metadata[key] == files[1].metadata[key]) }
    #expect(try TrainedModel(file: again, on: try chain(ReferenceBackend())).samples == model.samples)
  }

  // MARK: Hostile files

  private func fault(_ old: String, _ new: String, in key: String = "samples") throws -> String {
    let path = file()
    try session().trainedModel(for: samples).save(to: path)
    var saved = try Safetensors(decoding: Data(contentsOf: URL(fileURLWithPath: path)))
    let text = try #require(saved.metadata[key])
    #expect(text.contains(old), "\(text)")
    saved.metadata[key] = text.replacingOccurrences(of: old, with: new)
    saved.metadata["checksum"] = TrainedModel.checksum(saved)
    try saved.encoded().write(to: URL(fileURLWithPath: path))
    return refusal { _ = try TrainedModel(file: path, on: try chain(ReferenceBackend())) }
  }

  @Test(
    "what a file of several fields cannot say is refused by its fault",
    arguments: [
      ("\"name\":\"table\"", "\"name\":\"images\"", "two fields are called images"),
      ("\"name\":\"table\"", "\"name\":\"\"", "one field has no name"),
      (
        "\"name\":\"table\"", "\"lengths\":\"digit\",\"name\":\"table\"",
        "digit is what was learnt, and how long sequences are"
      ),
      ("\"name\":\"table\"", "\"name\":\"rows\"", "it takes images f32[1,2,2,1], table f32[1,3], not images"),
      ("\"name\":\"what\"", "\"name\":\"ink\"", "two answers are called ink"),
      ("\"name\":\"what\"", "\"name\":\"digit\"", "it has no output digit/predictions"),
      ("\"shape\":[3],\"type\":\"f32\"", "\"shape\":[3],\"type\":\"u8\"", "table u8[1,3]"),
      ("\"shape\":[3],\"type\":\"f32\"", "\"shape\":[3],\"type\":\"i32\"", "not images f32[1,2,2,1], table i32[1,3]"),
      ("\"shape\":[3],\"type\":\"f32\"", "\"shape\":[3],\"type\":\"q\"", "is of no known kind"),
      ("\"shape\":[2,2,1]", "\"shape\":[2,2,-1]", "no element"),
      ("\"shape\":[2,2,1]", "\"shape\":[9223372036854775807,9223372036854775807,2]", "no element"),
      ("[\"zero\",\"one\",\"two\"]", "[\"a\",\"b\",\"c\",\"d\"]", "what: there are 4 classes for 3 outputs"),
      ("{\"values\":2}", "{\"values\":3}", "ink: 3 numbers were learnt"),
      ("[\"a\",\"b\",\"c\"]", "[\"a\"]", "table: 1 columns are named"),
      ("\"deviation\":2", "\"deviation\":-2", "table: a mean or deviation"),
      ("\"inputs\":", "\"input\":", "is no trained model"),
    ])
  func hostileSamples(old: String, new: String, words: String) throws {
    let found = try fault(old, new)
    #expect(found.contains(words), "\(found)")
  }

  @Test("what a program of several fields cannot be is refused by its fault")
  func hostilePrograms() throws {
    func said(_ old: String, _ new: String) throws -> String { try fault(old, new, in: "program") }
    #expect(
      try said("output ink/predictions", "output what/predictions").contains("two outputs called what/predictions"))
    #expect(try said("output ink/predictions", "output more %0\noutput ink/predictions").contains("other outputs than"))
    #expect(try said(" table f32[1,3]", " images f32[1,3]").contains("images is declared twice"))
    #expect(
      try said("output ink/predictions", "input %900 more i32[1]\noutput ink/predictions").contains("more i32[1], not"))
  }
}

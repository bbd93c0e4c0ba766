import Foundation
import SwitchbackBackendKit
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackInference
import SwitchbackInterchange
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

private let network = Sequential {
  Conv2D(4, kernelSize: 3, strides: 2, activation: .relu)
  Flatten()
  Dense(10, activation: .softmax)
}

/// A step on pictures of 28 × 28 as bytes, or as f32.
private func step(_ elementType: Field.ElementType, _ model: any Layer = network) -> TrainingStep {
  TrainingStep(
    model: model, inputs: [ModelInput(.pictures("images", [28, 28, 1], as: elementType))],
    objectives: [Objective(loss: CategoricalCrossentropy())], optimizer: Adam(learningRate: 0.01))
}

private func session(
  _ elementType: Field.ElementType, on backend: any ComputeBackend = ReferenceBackend()
) throws -> TrainingSession {
  try TrainingSession(
    step: step(elementType), batchSize: 64, seed: 1, on: try chain(backend), probeInterval: nil)
}

@Suite struct BytePicturesTests {
  @Test("a program reads bytes, casts them and multiplies them; layers that read them say so by the field's name")
  func program() throws {
    let program = try step(.uint8).build(batchSize: 64).program
    let input = try #require(program.values(.input).first)
    #expect(
      program.values[input].name == "images" && program.values[input].type == TensorType(.uint8, [64, 28, 28, 1]))
    #expect(program.calls.prefix(3).allSatisfy { $0.path == "images" })
    #expect(program.description.contains("cast") && program.calls.contains { $0.label == "images/cast" })
    let fill = try #require(program.calls.prefix(3).compactMap { $0.operation as? Fill }.first)
    #expect(Float(fill.value) == Float(1) / 255)
    #expect(try Program(text: program.description) == program)
    #expect(try step(.uint8).build(batchSize: 1).layers[0].inputs == ["images"])
    let floats = try step(.float32).build(batchSize: 64).program
    #expect(floats.calls.count == program.calls.count - 3 && !floats.calls.contains { $0.path == "images" })
    // Bytes that stand for nothing else are read as they are.
    let plain = ModelInput(Field("segmentation", .uint8, [4]))
    #expect(plain.scale == nil)
  }

  @Test("training on bytes has the weights' bits of training on f32, which bytes become for a program that reads f32")
  func bits() throws {
    let data = try madeData()
    let (bytes, floats) = (try session(.uint8), try session(.float32))
    #expect(try bytes.train(data, steps: 5) == floats.train(data, steps: 5))
    #expect(try bytes.bytes() == floats.bytes())
    #expect(try bytes.evaluate(data).loss == floats.evaluate(data).loss)
    let pixels = try data.sample(3).values
    #expect(try bytes.predict(pixels) == floats.predict(pixels))
    #expect(try bytes.predict(data, [3, 4]) == floats.predict(data, [3, 4]))
    #expect(throws: DatasetError.self) { try bytes.predict(pixels.map { $0 + 2 }) }
    // A loop takes the form that its data has.
    let loop = try makeLoop(data: try madeParts())
    #expect(loop.session.step.inputs[0].scale == Field.pixelScale)
  }

  @Test(
    "on OpenBLAS too, in one segment and one fork a step",
    .enabled(if: hasOpenBLAS, "libopenblas.so.0 is not on this machine"))
  func oneFork() throws {
    let data = try madeData()
    let (bytes, floats) = (try session(.uint8, on: OpenBLASBackend()), try session(.float32, on: OpenBLASBackend()))
    #expect(try bytes.plan.segmentCount == 1)
    try bytes.train(data, steps: 1)
    let before = bytes.chain.host.forkCount
    try bytes.train(data, steps: 5)
    #expect(bytes.chain.host.forkCount - before == 5)
    try floats.train(data, steps: 1)
    try floats.train(data, steps: 5)
    // What is computed from bytes is divided into other chunks, whose sums round otherwise.
    let (a, b) = (try bytes.evaluate(data).loss, try floats.evaluate(data).loss)
    #expect((a - b).magnitude <= 1e-4 * b, "\(a) and \(b)")
  }

  @Test("pictures that are read and learnt are bytes once in a batch")
  func learnt() throws {
    let model = Sequential {
      Conv2D(1, kernelSize: 3, padding: .same, activation: .sigmoid)
    }
    let objective = Objective(target: "images", loss: MeanSquaredError(), targets: .values)
    func session(_ elementType: Field.ElementType) throws -> TrainingSession {
      let step = TrainingStep(
        model: model, inputs: [ModelInput(.pictures("images", [28, 28, 1], as: elementType))], objectives: [objective],
        optimizer: SGD(learningRate: 0.1))
      let session = try TrainingSession(
        step: step, batchSize: 64, seed: 1, on: try chain(ReferenceBackend()), probeInterval: nil)
      session.metrics = [[MeanError(.absolute)]]
      return session
    }
    let data = try madeData(count: 128)
    let (bytes, floats) = (try session(.uint8), try session(.float32))
    #expect(try bytes.train(data, steps: 3) == floats.train(data, steps: 3))
    #expect(try bytes.bytes() == floats.bytes())
    let (a, b) = (try bytes.evaluate(data), try floats.evaluate(data))
    #expect(a.loss == b.loss && a.outputs[0].metrics.map(\.value) == b.outputs[0].metrics.map(\.value))
  }

  // MARK: Files

  private func file() -> String { temporaryRun() + ".safetensors" }

  @Test(
    "a trained network that reads bytes is a file of format 2, and answers the same from bytes, numbers and pictures")
  func file2() throws {
    let data = try madeData()
    let (bytes, floats) = (try session(.uint8), try session(.float32))
    try bytes.train(data, steps: 3)
    try floats.train(data, steps: 3)
    let paths = [file(), file()]
    defer { for path in paths { try? FileManager.default.removeItem(atPath: path) } }
    try bytes.trainedModel(for: data).save(to: paths[0])
    try floats.trainedModel(for: data).save(to: paths[1])
    let formats = try paths.map {
      try Safetensors(decoding: Data(contentsOf: URL(fileURLWithPath: $0))).metadata["format"]
    }
    #expect(formats == ["switchback-model-2", "switchback-model-1"])
    let models = try paths.map { try TrainedModel(file: $0, on: try chain(ReferenceBackend())) }
    let input = models[0].samples.inputs[0]
    #expect(input.elementType == .uint8 && input.scale == Field.pixelScale && input.channels == .gray)
    #expect(models[1].samples.inputs[0].elementType == .float32)
    let pixels = Array(data.samples[..<784])
    let numbers = pixels.map { Float($0) * (1 / 255) }
    let image = try Image(bytes: Array("P5 28 28 255\n".utf8) + pixels, path: "x.pgm")
    let answer = try models[0].predict(numbers)
    #expect(try models[0].predict(image) == answer)
    #expect(try models[0].predict(fields: ["images": .bytes(pixels)]).values.first == answer)
    // Networks of before read f32, whatever the data is now.
    #expect(try models[1].predict(numbers) == answer && models[1].predict(image) == answer)
    for model in models { #expect(try model.predict(data, [0])[0].values.first == answer) }
    func refusal(_ value: FieldValue, of model: TrainedModel) -> String {
      (#expect(throws: TrainedModelError.self) { try model.predict(fields: ["images": value]) })?.message ?? ""
    }
    #expect(refusal(.numbers(numbers.map { $0 + 1 }), of: models[0]).contains("numbers from 0 to 1"))
    #expect(refusal(.numbers([0.5]), of: models[0]) == "1 numbers are no sample [28, 28, 1]")
    #expect(refusal(.bytes(pixels), of: models[1]).contains("takes f32 [28, 28, 1], and is given u8"))
  }

  @Test("a network keeps how its pictures are fitted, in a file of format 2, and fits those that it is given")
  func fitted() throws {
    for elementType: Field.ElementType in [.uint8, .float32] {
      let session = try session(elementType)
      var samples = SampleFormat(try madeData())
      samples.inputs[0].fit = .crop
      let path = file()
      defer { try? FileManager.default.removeItem(atPath: path) }
      try session.trainedModel(for: samples).save(to: path)
      let saved = try Safetensors(decoding: Data(contentsOf: URL(fileURLWithPath: path)))
      #expect(saved.metadata["format"] == "switchback-model-2")
      let model = try TrainedModel(file: path, on: try chain(ReferenceBackend()))
      #expect(model.samples.inputs[0].fit == .crop && model.samples.inputs[0].elementType == elementType)
      let pixels = (0..<1568).map { UInt8(4 * ($0 % 56)) }
      let image = try Image(bytes: Array("P5 56 28 255\n".utf8) + pixels, path: "x.pgm")
      let columns = (0..<784).map { $0 % 28 + 14 }
      let middle = columns.map { Float(4 * $0) * Field.pixelScale }
      #expect(try model.predict(image) == model.predict(middle))
    }
  }

  @Test("what a file says wrongly of bytes is told")
  func hostile() throws {
    let path = file()
    defer { try? FileManager.default.removeItem(atPath: path) }
    try session(.uint8).trainedModel(for: try madeData()).save(to: path)
    func fault(_ old: String, _ new: String) throws -> String {
      var saved = try Safetensors(decoding: Data(contentsOf: URL(fileURLWithPath: path)))
      let text = try #require(saved.metadata["samples"])
      #expect(text.contains(old))
      saved.metadata["samples"] = text.replacingOccurrences(of: old, with: new)
      saved.metadata["checksum"] = TrainedModel.checksum(saved)
      let changed = file()
      defer { try? FileManager.default.removeItem(atPath: changed) }
      try saved.encoded().write(to: URL(fileURLWithPath: changed))
      do {
        _ = try TrainedModel(file: changed, on: try chain(ReferenceBackend()))
        return ""
      } catch {
        return (error as? TrainedModelError)?.message ?? "not a TrainedModelError: \(error)"
      }
    }
    let type = "\"type\":\"u8\""
    #expect(try fault(type, type) == "")
    #expect(try fault(type, "\"type\":\"f32\"").contains("not one f32[1,28,28,1]"))
    #expect(try fault(type, "\"type\":\"u9\"").contains("no trained model"))
    #expect(try fault(type, type + ",\"normalization\":[{\"mean\":0,\"deviation\":1}]").contains("normalized columns"))
    #expect(try fault("\"scale\":", "\"scale\":-").contains("scaled by -"))
    #expect(try fault("\"scale\":", "\"fit\":\"cover\",\"scale\":") != "")
  }
}

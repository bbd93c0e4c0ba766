import Foundation
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackInference
import SwitchbackNeuralNetworks
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

/// Four samples of four steps of three numbers, a class of three for each step.
private let (steps, classes) = (4, 3)
private let lengths = [3, 4, 1, 4]
private let truths: [Int32] = [0, 2, 1, 1, 2, 2, 0, 1, 1, 0, 0, 2, 0, 1, 2, 0]

private func isValid(_ place: Int) -> Bool { place % steps < lengths[place / steps] }

private func numbers(_ filler: Float = 0.5) -> [Float] {
  (0..<16 * classes).map { isValid($0 / classes) ? Float(($0 * 29 + 17) % 65) / 32 - 1 : filler }
}

private func labels(_ filler: Int32) -> [Int32] { truths.indices.map { isValid($0) ? truths[$0] : filler } }

/// Where the lengths are said: of what is read, of what is learnt, of both, or nowhere.
private enum Place: String, CaseIterable { case input, target, both, nowhere }

private func sequences(_ place: Place = .input, filler: Float = 0.5, label: Int32 = 0) throws -> ArrayDataset {
  try ArrayDataset(
    [
      .float32(
        "x", numbers(filler), shape: [steps, classes], lengths: place == .input || place == .both ? "lengths" : nil),
      .int32(
        "labels", labels(label), shape: [steps], lengths: place == .target || place == .both ? "lengths" : nil),
    ] + (place == .nowhere ? [] : [.int32("lengths", lengths.map(Int32.init))]), classNames: ["a", "b", "c"])
}

private func step(
  _ place: Place, _ model: any Layer = Activation(.softmax), loss: any Loss = SparseCategoricalCrossentropy(),
  classWeights: [Double] = [], sampleWeight: String? = nil
) -> TrainingStep {
  let mask = ModelInput.Mask.lengths("lengths")
  return TrainingStep(
    model: model,
    inputs: [
      ModelInput("x", .float32([steps, classes]), mask: place == .input || place == .both ? mask : nil)
    ],
    objectives: [
      Objective(
        loss: loss, classWeights: classWeights, sampleWeight: sampleWeight,
        mask: place == .target || place == .both ? mask : nil)
    ], optimizer: SGD(learningRate: 0.5))
}

/// Of a step of `numbers`: what softmax makes of it.
private func probabilities(_ place: Int) -> [Double] {
  let powers = numbers()[place * classes..<(place + 1) * classes].map { exp(Double($0)) }
  return powers.map { $0 / powers.reduce(0, +) }
}

private func isRight(_ place: Int) -> Bool {
  let found = probabilities(place)
  return found[Int(truths[place])] == found.max()
}

@Suite("A class for each step")
struct StepClassesRunTests {
  private func outputs(_ program: Program, _ others: [String: [Double]] = [:]) throws -> [String: [Double]] {
    var values: [String: [Double]] = ["x": numbers().map(Double.init), "labels": truths.map(Double.init)]
    let known = Set([Program.Role.input, .state, .step].flatMap { program.values($0) }.map { program.values[$0].name })
    values["lengths"] = lengths.map(Double.init)
    values.merge(others) { $1 }
    return try ProgramEvaluation(
      program.converted(to: .float64), values.filter { known.contains($0.key) }, on: chain(ReferenceBackend())
    ).outputs
  }

  @Test(
    "a sample's loss is the mean of −ln p over its valid steps, wherever the lengths are said",
    arguments: Place.allCases)
  fileprivate func loss(place: Place) throws {
    for loss: any Loss in [SparseCategoricalCrossentropy(), CategoricalCrossentropy()] {
      let program = try step(place, loss: loss).evaluation(batchSize: 4).program
      let found = try #require(try outputs(program)["lossSum"])
      let expected = (0..<4).reduce(0.0) { sum, sample in
        let counted = place == .nowhere ? steps : lengths[sample]
        let places = sample * steps..<sample * steps + counted
        return sum - places.reduce(0.0) { $0 + log(probabilities($1)[Int(truths[$1])]) } / Double(counted)
      }
      #expect(abs(found[0] - expected) < 1e-12, "\(loss.name)")
      let hasMask = program.output(named: "mask") != nil
      #expect(hasMask == (place != .nowhere))
      #expect(
        program.calls.contains { $0.name == "softmaxCrossEntropy" } && !program.calls.contains { $0.name == "log" })
      // Lengths that both name are one mask.
      let maskCount = program.calls.count { $0.name == "sequenceMask" }
      #expect(maskCount == (place == .nowhere ? 0 : 1))
    }
  }

  @Test("classes and samples weigh the losses of their steps")
  func weights() throws {
    let weighing = step(.target, classWeights: [1, 2, 0.5], sampleWeight: "weight")
    // Evaluation weighs samples and not classes.
    let sampleWeights = [2.0, 1, 3, 0]
    let evaluated = try outputs(weighing.evaluation(batchSize: 4).program, ["weight": sampleWeights])
    func expected(_ classWeights: [Double]) -> Double {
      (0..<4).reduce(0.0) { sum, sample in
        let places = sample * steps..<sample * steps + lengths[sample]
        let losses = places.map { -log(probabilities($0)[Int(truths[$0])]) * classWeights[Int(truths[$0])] }
        return sum + sampleWeights[sample] * losses.reduce(0, +) / Double(lengths[sample])
      }
    }
    let lossSum = try #require(evaluated["lossSum"]?.first)
    let expectedSum = expected([1, 1, 1])
    #expect(abs(lossSum - expectedSum) < 1e-12)
    // In training a weight that nothing reads keeps the network one that can be trained.
    let model = Sequential([Dense(classes), Activation(.softmax)])
    let training = try step(.target, model, classWeights: [1, 2, 0.5], sampleWeight: "weight").build(batchSize: 4)
    var values: [String: [Double]] = ["weight": sampleWeights, "loss/classWeights": [1, 2, 0.5], "learningRate": [0]]
    for parameter in training.parameters {
      // The identity.
      values[parameter.name] =
        parameter.type.shape.rank == 1 ? [0, 0, 0] : [1, 0, 0, 0, 1, 0, 0, 0, 1]
    }
    let found = try outputs(training.program, values)
    let loss = try #require(found["loss"]?.first)
    let expectedMean = expected([1, 2, 0.5]) / 4
    #expect(abs(loss - expectedMean) < 1e-12)
    let right = truths.indices.filter { isValid($0) && isRight($0) }
    let rightWeight: Double = right.reduce(0.0) { $0 + sampleWeights[$1 / steps] }
    let weight: Double = (0..<4).reduce(0.0) { $0 + sampleWeights[$1] * Double(lengths[$1]) }
    #expect(found["correct"] == [rightWeight] && found["weightSum"] == [weight])
  }

  @Test("steps of sequences of one length train as samples do")
  func samples() throws {
    let x = numbers()
    let rowsOfSteps = try sequences(.nowhere, label: 1)
    let rows = try ArrayDataset([
      .float32("x", x, shape: [classes]), .int32("labels", labels(1)),
    ])
    let (model, loss) = (Sequential([Dense(classes, activation: .softmax)]), SparseCategoricalCrossentropy())
    for backend: any ComputeBackend in [ReferenceBackend()] + (hasOpenBLAS ? [OpenBLASBackend()] : []) {
      let bySteps = try TrainingSession(step: step(.nowhere, model), batchSize: 4, seed: 1, on: chain(backend))
      let bySamples = try TrainingSession(
        step: TrainingStep(
          model: model, sampleShape: [classes], loss: loss, optimizer: SGD(learningRate: 0.5), inputName: "x"),
        batchSize: 16, seed: 1, on: chain(backend))
      for _ in 0..<3 {
        let (a, b) = (
          try bySteps.train(rowsOfSteps, [0, 1, 2, 3]), try bySamples.train(rows, Array(0..<Int32(16))[...])
        )
        #expect(abs(a.loss - b.loss) < 1e-6)
        // Shares of samples, and of the steps as samples.
        let (right, rightRows) = (try #require(a.correct) / 4, try #require(b.correct) / 16)
        #expect(abs(right - rightRows) < 1e-6)
      }
      let (a, b) = (try bySteps.evaluate(rowsOfSteps), try bySamples.evaluate(rows))
      #expect(abs(a.loss - b.loss) < 1e-6 && a.accuracy == b.accuracy && a.classes == b.classes)
    }
  }

  @Test("what stands at masked steps counts for no loss, gradient or metric, and metrics count the valid steps")
  func fillers() throws {
    func trained(
      _ place: Place, _ filler: Float, _ label: Int32, on backend: any ComputeBackend
    ) throws -> ([Double], [String: [UInt8]], Evaluation) {
      let data = try sequences(place, filler: filler, label: label)
      let model = Sequential([Dense(classes, activation: .softmax)])
      let session = try TrainingSession(step: step(place, model), batchSize: 4, seed: 1, on: chain(backend))
      session.metrics = [[Perplexity(), F1Score(), TopKCategoricalAccuracy(k: 2)]]
      let losses = try (0..<3).map { _ in try session.train(data, [0, 1, 2, 3]).loss }
      return (losses, try session.bytes(), try session.evaluate(data))
    }
    for backend: any ComputeBackend in [ReferenceBackend()] + (hasOpenBLAS ? [OpenBLASBackend()] : []) {
      for place in [Place.input, .target, .both] {
        let (some, others) = (try trained(place, 0, 0, on: backend), try trained(place, 900, 2, on: backend))
        #expect(some.0 == others.0 && some.1 == others.1 && some.2 == others.2, "\(place)")
        let output = some.2.outputs[0]
        #expect(output.classes?.sampleCount == lengths.reduce(0, +) && output.classNames == ["a", "b", "c"])
        #expect(output.metrics.map(\.name) == ["accuracy", "perplexity", "f1_score", "top_k_categorical_accuracy"])
        #expect(output.metrics.allSatisfy { $0.value != nil })
      }
    }
  }

  @Test("an accuracy is the share of the valid steps that are right, in training and in evaluation")
  func accuracy() throws {
    let right = truths.indices.filter { isValid($0) && isRight($0) }.count
    let share = Double(right) / Double(lengths.reduce(0, +))
    // The identity as a layer that can be trained.
    let model = Sequential([
      Dense(classes, kernelInitializer: .values([1, 0, 0, 0, 1, 0, 0, 0, 1])), Activation(.softmax),
    ])
    for place in [Place.input, .target] {
      let session = try TrainingSession(step: step(place, model), batchSize: 4, seed: 1, on: chain(ReferenceBackend()))
      #expect(try session.evaluate(sequences(place)).accuracy == share)
      let found = try #require(try session.train(sequences(place), [0, 1, 2, 3]).correct)
      #expect(abs(found / 4 - share) < 1e-6)
    }
  }

  @Test("a trained network answers each step, and none that is masked; its file says so and is of a later format")
  func model() throws {
    let data = try sequences(.input)
    let model = Sequential([Dense(classes, activation: .softmax)])
    let session = try TrainingSession(step: step(.input, model), batchSize: 4, seed: 1, on: chain(ReferenceBackend()))
    _ = try session.train(data, [0, 1, 2, 3])
    let path = temporaryRun() + ".safetensors"
    try session.trainedModel(for: data).save(to: path)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(bytes.prefix(1 << 14).range(of: Data("switchback-model-3".utf8)) != nil)
    let loaded = try TrainedModel(file: path, on: try chain(ReferenceBackend()))
    #expect(loaded.samples.outputs.map(\.targets) == [.stepClasses(steps)])
    for row in 0..<4 {
      let answer = try #require(try loaded.predict(data, [Int32(row)])[0]["labels"])
      let numbers = try session.predict(data, [Int32(row)])[0]
      #expect(answer.outputs == numbers && answer.scores.isEmpty && answer.best == nil)
      let answered: [Bool] = answer.steps.map { $0 != nil }
      let expected: [Bool] = (0..<steps).map { $0 < lengths[row] }
      #expect(answered == expected)
      for (step, found) in answer.steps.enumerated() {
        guard let found else { continue }
        let own = Array(numbers[step * classes..<(step + 1) * classes])
        #expect(found.outputs == own && found.areProbabilities && found.steps.isEmpty)
        let likeliest = own.firstIndex(of: own.max() ?? 0)
        #expect(found.best?.index == likeliest && found.best?.name == likeliest.map { ["a", "b", "c"][$0] })
      }
    }
    let text = String(decoding: try JSONEncoder().encode(loaded.samples), as: UTF8.self)
    #expect(text.contains(#""stepClasses":4"#))
    #expect(try JSONDecoder().decode(SampleFormat.self, from: Data(text.utf8)) == loaded.samples)
  }

  @Test("labels of another kind than the outputs are an error of the first batch that names the field")
  func kinds() throws {
    let model = Sequential([Dense(classes, activation: .softmax)])
    let session = try TrainingSession(step: step(.nowhere, model), batchSize: 4, seed: 1, on: chain(ReferenceBackend()))
    let bySamples = try ArrayDataset([
      .float32("x", numbers(), shape: [steps, classes]), .int32("labels", [0, 1, 2, 0]),
    ])
    let said = errorText { _ = try session.train(bySamples, [0, 1, 2, 3]) }
    #expect(said.contains("the field labels i32 [] of 4 samples does not fit the input labels i32[4,4]"), "\(said)")
    // More classes than the network has outputs: the seventh step of the batch has one of these.
    var beyond = labels(0)
    beyond[6] = 4
    let others = try ArrayDataset(
      [.float32("x", numbers(), shape: [steps, classes]), .int32("labels", beyond, shape: [steps])],
      classNames: ["a", "b", "c", "d", "e"])
    let before = try session.bytes()
    let index = errorText { _ = try session.train(others, [0, 1, 2, 3]) }
    #expect(index.contains("index 4 at position 6 is outside the 3 classes"), "\(index)")
    #expect(try session.bytes() == before)
    let mask = TrainingStep(
      model: Sequential([Flatten(), Dense(classes, activation: .softmax)]),
      inputs: [ModelInput("x", .float32([steps, classes]))],
      objectives: [Objective(loss: SparseCategoricalCrossentropy(), mask: .lengths("lengths"))], optimizer: SGD())
    let fault = errorText { _ = try mask.build(batchSize: 4) }
    #expect(fault.contains("the mask of labels: there are no steps along an axis of i32[]"), "\(fault)")
  }
}

private func text(_ data: String = "", units: Int = 3, layers: String = "", loss: String = "categorical_crossentropy")
  -> String
{
  """
  version: 1
  model:
    layers:
      - dense: {units: \(units), activation: softmax}\(layers)
  data: {dataset: mnist\(data)}
  training: {batch_size: 4, loss: \(loss), optimizer: {type: sgd}}
  """
}

@Suite("A class for each step in configurations")
struct StepClassesConfigurationTests {
  @Test("classes of steps are judged by the target's own lengths, and what is read is masked where that is asked for")
  func masks() throws {
    func made(_ data: String, _ place: Place) throws -> TrainingStep {
      try Configuration(text: text(data), file: "test.yaml").trainingStep(on: sequences(place).layout)
    }
    let mask = ModelInput.Mask.lengths("lengths")
    #expect(try made("", .target).objectives[0].mask == mask && made("", .target).inputs[0].mask == nil)
    #expect(try made("", .input).objectives[0].mask == nil && made("", .input).inputs[0].mask == nil)
    #expect(try made(", masks: true", .input).inputs[0].mask == mask)
    #expect(
      try made(", masks: true", .both).inputs[0].mask == mask && made(", masks: true", .both).objectives[0].mask == mask
    )
    #expect(try made(", masks: {labels: lengths}", .input).objectives[0].mask == mask)
    #expect(try made(", masks: {x: lengths}", .input).inputs[0].mask == mask)
    #expect(try made("", .target).objectives[0].targets == .classes)
  }

  @Test("masks: true asks for the lengths that fields have, reads back, and is an error where none has any")
  func asked() throws {
    for (words, masks) in [
      ("true", Configuration.Data.Masks.lengths), ("false", .named([:])), ("{x: lengths}", .named(["x": "lengths"])),
    ] {
      let made = try Configuration(text: text(", masks: \(words)"), file: "test.yaml")
      #expect(made.data.masks == masks)
      #expect(try Configuration(text: made.resolvedText, file: "a").data.masks == masks)
    }
    let found = problems(in: text(", masks: true"), on: try sequences(.nowhere).layout)
    #expect(
      found.contains { $0.hasPrefix("test.yaml:5:") && $0.contains("data.masks: true asks for the lengths") },
      "\(found)")
    #expect(problems(in: text(", masks: true"), on: try sequences(.input).layout) == [])
    #expect(problems(in: text(", masks: true"), on: try sequences(.target).layout) == [])
  }

  @Test("values are masked by the lengths of their field where masks are asked for, and else as before")
  func values() throws {
    let layout = DatasetLayout(
      inputs: [Field("x", .float32, [4, 3])], targets: [.init("labels", .values(12), lengths: "lengths")],
      others: [Field("lengths", .int32)])
    func mask(_ data: String) throws -> ModelInput.Mask? {
      try Configuration(text: text(data, loss: "mean_squared_error"), file: "test.yaml")
        .trainingStep(on: layout).objectives[0].mask
    }
    #expect(try mask("") == nil && mask(", masks: true") == .lengths("lengths"))
    #expect(try mask(", masks: {labels: lengths}") == .lengths("lengths"))
  }

  @Test("outputs that do not fit classes of steps are named with their line")
  func misfits() throws {
    let layout = try sequences(.target).layout
    #expect(problems(in: text(), on: layout) == [])
    func said(_ text: String, _ words: String, on other: DatasetLayout? = nil) {
      let found = problems(in: text, on: other ?? layout)
      #expect(found.contains { $0.contains(words) && $0.hasPrefix("test.yaml:") }, "\(found)")
    }
    said(
      text(units: 2),
      "the data has 3 classes, and the network ends with 2 outputs: set the units of its last layer to 3")
    said(
      text(layers: "\n    - flatten"),
      "labels are 3 classes of 4 steps, and the output is [12] a sample: end it with 4 steps and a number a class")
    said(
      text(layers: "\n    - zero_padding1d: {padding: 1}"),
      "labels are 3 classes of 4 steps, and the output is [6, 3] a sample: end it with 4 steps and a number a class")
    said(text(loss: "mean_squared_error, metrics: [mean_absolute_error]"), "mean_absolute_error judges numbers")
    var withShort = layout
    withShort.others.append(Field("short", .uint8, [5]))
    said(
      text(", masks: {labels: short}"), "data.masks: labels: short is u8[5], and masks of i32[4] are lengths",
      on: withShort)
    var bySamples = layout
    bySamples.targets = [.init("labels", .classes, classNames: ["a", "b", "c"])]
    said(text(), "the output is [4, 3] a sample: end it with a number a class", on: bySamples)
    said(
      text(", masks: {labels: lengths}", layers: "\n    - flatten\n    - dense: {units: 3, activation: softmax}"),
      "data.masks: labels: there are no steps along an axis of i32[]", on: bySamples)
  }

  @Test("any field of whole numbers along an axis may be the target of a class a step")
  func named() throws {
    let layout = DatasetLayout(
      inputs: [Field("x", .float32, [4, 3]), Field("tags", .int32, [4], lengths: "lengths")], targets: [],
      others: [Field("lengths", .int32)])
    let listed = """
      version: 1
      model:
        inputs: [x]
        layers:
          - dense: {units: 3, activation: softmax}
      data: {dataset: mnist}
      training:
        batch_size: 4
        objectives: [{target: tags, loss: categorical_crossentropy}]
        optimizer: {type: sgd}
      """
    let step = try Configuration(text: listed, file: "test.yaml").trainingStep(on: layout)
    #expect(step.objectives[0].target == "tags" && step.objectives[0].mask == .lengths("lengths"))
    #expect(try step.build(batchSize: 4).program.output(named: "correct") != nil)
  }
}

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

/// Lists of one to six tokens from 1 to 8 of two classes.
private let lists: [[Int32]] = (0..<16).map { (row: Int) -> [Int32] in
  (0...row % 6).map { (place: Int) -> Int32 in Int32((row * 5 + place * 3) % 8 + 1) }
}
private let classes = (0..<16).map { Int32($0 % 2) }

private func data(padding: Int32 = 0) throws -> ArrayDataset {
  try ArrayDataset(
    TokenSequences(lists, length: 6, padding: padding).columns + [.int32("labels", classes)], classNames: ["no", "yes"])
}

private func text(_ data: String, _ embedding: String = "{input_dim: 9, output_dim: 4}") -> String {
  """
  version: 1
  model:
    inputs: [tokens]
    layers:
      - embedding: \(embedding)
      - layer_normalization
      - global_average_pooling1d
      - dense: {units: 2, activation: softmax}
  data: {dataset: mnist\(data)}
  training: {batch_size: 8, optimizer: {type: sgd, learning_rate: 0.5}}
  """
}

private func session(
  _ text: String, _ data: any Dataset, on backend: any ComputeBackend = ReferenceBackend()
) throws -> TrainingSession {
  let step = try Configuration(text: text, file: "test.yaml").trainingStep(on: data.layout)
  return try TrainingSession(step: step, batchSize: 8, seed: 1, on: chain(backend))
}

private let halves: [ArraySlice<Int32>] = [Array(0..<Int32(8))[...], Array(8..<Int32(16))[...]]

@Suite("Masked sequences in runs")
struct MaskedRunTests {
  /// The weights after some steps, what an evaluation says, and the answers.
  private func trained(
    _ text: String, _ data: any Dataset, on backend: any ComputeBackend
  ) throws -> (bytes: [String: [UInt8]], evaluation: Evaluation, answers: [[Float]]) {
    let session = try session(text, data, on: backend)
    for _ in 0..<3 { for half in halves { _ = try session.train(data, half) } }
    return (try session.bytes(), try session.evaluate(data), try session.predict(data, halves[1]))
  }

  @Test("data.masks: what stands behind a sequence's end counts for nothing, which it does without")
  func padding() throws {
    let masked = text(", masks: {tokens: lengths}")
    // What the field says of itself is the same lengths.
    #expect(
      try Configuration(text: text(", masks: true"), file: "a").trainingStep(on: data().layout).inputs
        == Configuration(text: masked, file: "a").trainingStep(on: data().layout).inputs)
    for backend: any ComputeBackend in [ReferenceBackend()] + (hasOpenBLAS ? [OpenBLASBackend()] : []) {
      let (zeros, eights) = (
        try trained(masked, data(), on: backend), try trained(masked, data(padding: 8), on: backend)
      )
      #expect(zeros.bytes == eights.bytes && zeros.evaluation == eights.evaluation && zeros.answers == eights.answers)
    }
    let (zeros, eights) = (
      try trained(text(""), data(), on: ReferenceBackend()),
      try trained(text(""), data(padding: 8), on: ReferenceBackend())
    )
    #expect(zeros.bytes != eights.bytes && zeros.answers != eights.answers)
  }

  @Test("mask_zero masks what lengths do where the padding is 0, and row 0 of its table stays as it is")
  func maskZero() throws {
    let zero = text("", "{input_dim: 9, output_dim: 4, mask_zero: true}")
    let (found, expected) = (
      try trained(zero, data(), on: ReferenceBackend()),
      try trained(text(", masks: {tokens: lengths}"), data(), on: ReferenceBackend())
    )
    #expect(
      found.bytes == expected.bytes && found.evaluation == expected.evaluation && found.answers == expected.answers)
    let name = "layers.0.embedding/embeddings"
    let start = try session(zero, data()).bytes()
    #expect(start[name]?.prefix(16) == found.bytes[name]?.prefix(16) && start[name] != found.bytes[name])
    let made = try Configuration(text: zero, file: "test.yaml")
    #expect(made.resolvedText.contains("mask_zero: true"))
    #expect(!(try Configuration(text: text(""), file: "test.yaml")).resolvedText.contains("mask"))
  }

  @Test("a padded batch answers what a program of each sequence's own length answers")
  func alone() throws {
    func program(_ steps: Int, _ batchSize: Int, _ mask: ModelInput.Mask?) throws -> InferenceProgram {
      let model = Sequential {
        Embedding(9, 4)
        LayerNormalization()
        BatchNormalization()
        Residual([GraphNode(Activation(.tanh))])
        GlobalMaxPooling1D()
        Dense(3)
      }
      return try InferenceProgram.build(
        model, inputs: [ModelInput("tokens", .int32([steps]), mask: mask)], batchSize: batchSize)
    }
    func answers(_ inference: InferenceProgram, _ values: [String: [Double]]) throws -> [Double] {
      var values = values
      for parameter in inference.parameters {
        // Variances are positive.
        values[parameter.name] = (0..<parameter.type.shape.elementCount).map { 0.5 + Double($0 * 7 % 11) / 11 }
      }
      let double = try inference.program.converted(to: .float64)
      return try #require(ProgramEvaluation(double, values, on: chain(ReferenceBackend())).outputs["predictions"])
    }
    let padded = lists.flatMap { ($0 + [Int32](repeating: 5, count: 6 - $0.count)).map(Double.init) }
    let lengths = lists.map { Double($0.count) }
    let mask = lists.flatMap { list in (0..<6).map { $0 < list.count ? 3.0 : 0 } }
    let expected = try lists.flatMap { try answers(program($0.count, 1, nil), ["tokens": $0.map(Double.init)]) }
    let found = [
      try answers(program(6, 16, .lengths("lengths")), ["tokens": padded, "lengths": lengths]),
      try answers(program(6, 16, .init("valid", TensorType(.uint8, [6]))), ["tokens": padded, "valid": mask]),
      try answers(program(6, 16, .init("valid", .float32([6]))), ["tokens": padded, "valid": mask]),
    ]
    for numbers in found {
      #expect(numbers.count == expected.count && zip(numbers, expected).allSatisfy { abs($0 - $1) < 1e-12 })
    }
  }

  @Test("a trained network's file reads lengths, which a sequence that is given says itself")
  func model() throws {
    let data = try data()
    let session = try session(text(", masks: {tokens: lengths}"), data)
    for half in halves { _ = try session.train(data, half) }
    let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString + ".safetensors").path
    try session.trainedModel(for: data).save(to: path)
    let model = try TrainedModel(file: path, on: try chain(ReferenceBackend()))
    #expect(model.samples.inputs.map(\.name) == ["tokens", "lengths"])
    for row in 0..<8 {
      let answer = try session.predict(data, [Int32(row)])[0]
      #expect(try model.predict(fields: ["tokens": .tokens(lists[row])])["labels"]?.outputs == answer)
      #expect(try model.predict(data, [Int32(row)])[0]["labels"]?.outputs == answer)
    }
    let said = errorText {
      _ = try model.predict(fields: ["tokens": .tokens([1]), "lengths": .integers([7])])
    }
    #expect(said.contains("outside the 7 lengths"), "\(said)")
  }

  @Test("a length above the sequence, or below 0, is an error of the step that meets it, and changes no weight")
  func wrongLengths() throws {
    func data(_ length: Int32) throws -> ArrayDataset {
      try ArrayDataset([
        .int32("tokens", [Int32](repeating: 1, count: 48), shape: [6]),
        .int32("lengths", [1, 2, 3, length, 5, 6, 1, 2]), .int32("labels", [0, 1, 0, 1, 0, 1, 0, 1]),
      ])
    }
    for backend: any ComputeBackend in [ReferenceBackend()] + (hasOpenBLAS ? [OpenBLASBackend()] : []) {
      let session = try session(text(", masks: {tokens: lengths}"), try data(4), on: backend)
      let before = try session.bytes()
      for length: Int32 in [7, -1] {
        let said = errorText { _ = try session.train(try data(length), halves[0]) }
        #expect(said.contains("index \(length) at position 3 is outside the 7 lengths"), "\(said)")
      }
      #expect(try session.bytes() == before)
      _ = try session.train(try data(6), halves[0])
      #expect(try session.bytes() != before)
    }
  }

  @Test(
    "what cannot say which steps are valid is named with its line",
    arguments: [
      ("{tokens: nobody}", "data.masks: the data has no field nobody"),
      ("{token: lengths}", "data.masks: the model reads no field token; did you mean tokens?"),
      (
        "{tokens: mark}",
        "data.masks: tokens: mark is f32[], and masks of i32[6] are lengths i32[] or one number for each"
      ),
      ("{tokens: short}", "data.masks: tokens: short is u8[5], and masks of i32[6] are"),
      ("{tokens: [lengths]}", "data.masks.tokens must be a word, not a list"),
      ("lengths", "data.masks must hold keys and values"),
    ])
  func unfit(masks: String, words: String) {
    let layout = DatasetLayout(
      inputs: [
        Field("tokens", .int32, [6], lengths: "lengths"), Field("mark", .float32), Field("short", .uint8, [5]),
      ], targets: [.init("labels", .classes, classNames: ["no", "yes"])], others: [Field("lengths", .int32)])
    let found = problems(in: text(", masks: \(masks)"), on: layout)
    #expect(found.contains { $0.contains(words) && $0.hasPrefix("test.yaml:9:") }, "\(found)")
    #expect(problems(in: text(", masks: {tokens: lengths}"), on: layout) == [])
  }

  @Test("a layer that cannot honour a mask is named with its line, and a field of masks is no input of its own")
  func layers() throws {
    let layout = DatasetLayout(
      inputs: [Field("tokens", .int32, [6]), Field("valid", .uint8, [6])],
      targets: [.init("labels", .classes, classNames: ["no", "yes"])])
    let masked = text(", masks: {tokens: valid}").replacing("  inputs: [tokens]\n", with: "")
    #expect(problems(in: masked, on: layout) == [])
    let step = try Configuration(text: masked, file: "test.yaml").trainingStep(on: layout)
    #expect(step.inputs == [ModelInput("tokens", .int32([6]), mask: .init("valid", TensorType(.uint8, [6])))])
    let flat = masked.replacing("global_average_pooling1d", with: "flatten")
    let found = problems(in: flat, on: layout)
    let words = "layers.2.flatten: cannot honour the mask of"
    #expect(found.contains { $0.hasPrefix("test.yaml:6:") && $0.contains(words) }, "\(found)")
  }

  @Test("a resolved configuration keeps its masks")
  func resolved() throws {
    let made = try Configuration(text: text(", masks: {tokens: lengths}"), file: "test.yaml")
    #expect(made.data.masks == .named(["tokens": "lengths"]))
    #expect(try Configuration(text: made.resolvedText, file: "a").data.masks == made.data.masks)
    #expect(try Configuration(text: text(""), file: "a").data.masks == .named([:]))
  }
}

/// Adds a number to the masked steps, and lets their gradient pass.
private struct Spoiling: UnaryLayer {
  var number: Double
  var kind: String { "spoiling" }
  var masking: Masking { .consumed }
  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    guard let mask = context.mask(of: input) else { return input }
    let isValid = try context.steps(mask, like: input)
    let added = try context.append(Select(), isValid, context.constant(0), context.constant(number))
    let result = try context.append(Binary(.add), input, added)
    try context.setMask(mask, of: result)
    return result
  }
}

extension ConfigurableLoss {
  fileprivate static var prototypeLoss: any Loss { settings.prototype }
}

@Suite("Losses and metrics of masked steps")
struct MaskedLossTests {
  private static let lengths = [3, 4, 1, 4]
  private static let (steps, features) = (4, 3)

  private static func numbers(_ seed: Int, _ filler: Float) -> [Float] {
    (0..<lengths.count * steps * features).map { element in
      let isValid = element / features % steps < lengths[element / features / steps]
      return isValid ? Float((element * 29 + seed * 17) % 65) / 64 : filler
    }
  }

  private static func data(_ filler: Float) throws -> ArrayDataset {
    try ArrayDataset([
      .float32("x", numbers(1, filler), shape: [steps, features], lengths: "lengths"),
      .float32("labels", numbers(2, filler / 2), shape: [steps, features]),
      .int32("lengths", lengths.map(Int32.init)),
    ])
  }

  private func step(_ loss: any Loss, _ steps: Int, _ mask: ModelInput.Mask?) -> TrainingStep {
    TrainingStep(
      model: Sequential {
        LayerNormalization()
        Activation(.sigmoid)
      }, inputs: [ModelInput("x", .float32([steps, Self.features]), mask: mask)],
      objectives: [Objective(loss: loss, targets: .values)], optimizer: SGD(learningRate: 0.5))
  }

  @Test("a sample's loss is the mean over its valid steps: that of the sequence alone")
  func alone() throws {
    for loss: any Loss in [MeanSquaredError(), MeanAbsoluteError(), Huber(delta: 0.2), BinaryCrossentropy()] {
      func sum(_ evaluation: InferenceProgram, _ values: [String: [Double]]) throws -> Double {
        var values = values
        for parameter in evaluation.parameters {
          values[parameter.name] = (0..<Self.features).map { 0.5 + Double($0) / 4 }
        }
        let program = try evaluation.program.converted(to: .float64)
        return try #require(ProgramEvaluation(program, values, on: chain(ReferenceBackend())).outputs["lossSum"])[0]
      }
      let (x, labels) = (Self.numbers(1, 7).map(Double.init), Self.numbers(2, -3).map(Double.init))
      let masked = try step(loss, Self.steps, .lengths("lengths")).evaluation(batchSize: 4)
      let found = try sum(masked, ["x": x, "labels": labels, "lengths": Self.lengths.map(Double.init)])
      var expected = 0.0
      for (sample, length) in Self.lengths.enumerated() {
        let first = sample * Self.steps * Self.features
        let own = first..<first + length * Self.features
        let one = try step(loss, length, nil).evaluation(batchSize: 1)
        expected += try sum(one, ["x": Array(x[own]), "labels": Array(labels[own])])
      }
      #expect(abs(found - expected) < 1e-12, "\(loss.name)")
      // The loss of a sigmoid's results is still taken from what enters it.
      if loss is BinaryCrossentropy { #expect(masked.program.calls.contains { $0.name == "softplus" }) }
    }
  }

  @Test("losses are taken from what enters the last gate of token-wise layers too")
  func gates() throws {
    func operations(_ activation: ActivationFunction, _ loss: any Loss, mask: ModelInput.Mask?) throws -> Set<String> {
      let step = TrainingStep(
        model: Sequential([Dense(2, activation: activation)]), inputs: [ModelInput("x", .float32([4, 3]), mask: mask)],
        objectives: [Objective(loss: loss, targets: .values)], optimizer: SGD())
      return Set(try step.build(batchSize: 4).program.calls.map(\.name))
    }
    for mask in [nil, ModelInput.Mask.lengths("lengths")] {
      #expect(try operations(.sigmoid, BinaryCrossentropy(), mask: mask).contains("softplus"))
      #expect(try !operations(.tanh, BinaryCrossentropy(), mask: mask).contains("softplus"))
    }
    let found = try operations(.softmax, CategoricalCrossentropy(), mask: .lengths("lengths"))
    #expect(found.contains("softmaxCrossEntropy") && !found.contains("log"))
  }

  @Test("what stands at masked steps of inputs and targets counts for no loss, gradient or metric")
  func fillers() throws {
    func trained(_ filler: Float, on backend: any ComputeBackend) throws -> ([Double], [String: [UInt8]], Evaluation) {
      let data = try Self.data(filler)
      let session = try TrainingSession(
        step: step(MeanSquaredError(), Self.steps, .lengths("lengths")), batchSize: 4, seed: 1, on: chain(backend))
      session.metrics = [[MeanError(.absolute), MeanError(.squared), R2Score()]]
      let losses = try (0..<3).map { _ in try session.train(data, [0, 1, 2, 3]).loss }
      return (losses, try session.bytes(), try session.evaluate(data))
    }
    for backend: any ComputeBackend in [ReferenceBackend()] + (hasOpenBLAS ? [OpenBLASBackend()] : []) {
      let (zeros, others) = (try trained(0, on: backend), try trained(1000, on: backend))
      #expect(zeros.0 == others.0 && zeros.1 == others.1 && zeros.2 == others.2)
      let output = zeros.2.outputs[0]
      let squared = try #require(output.metrics.first { $0.name == "mean_squared_error" }?.value)
      #expect(abs(squared - zeros.2.loss) < 1e-6 && output.metrics.allSatisfy { $0.value != nil })
    }
  }

  @Test("a NaN or an infinity among the predictions and targets of masked steps reaches no loss and no gradient")
  func wild() throws {
    func trained(
      _ loss: any Loss, _ number: Double, _ layers: [any Layer], on backend: any ComputeBackend
    ) throws -> (losses: [Double], bytes: [String: [UInt8]]) {
      let step = TrainingStep(
        model: Sequential([Dense(Self.features)] + layers),
        inputs: [ModelInput("x", .float32([Self.steps, Self.features]), mask: .lengths("lengths"))],
        objectives: [Objective(loss: loss, targets: .values)], optimizer: SGD(learningRate: 0.5))
      let data = try ArrayDataset([
        .float32("x", Self.numbers(1, 0.5), shape: [Self.steps, Self.features], lengths: "lengths"),
        .float32("labels", Self.numbers(2, Float(number)), shape: [Self.steps, Self.features]),
        .int32("lengths", Self.lengths.map(Int32.init)),
      ])
      let session = try TrainingSession(step: step, batchSize: 4, seed: 1, on: chain(backend))
      let losses = try (0..<2).map { _ in try session.train(data, [0, 1, 2, 3]).loss }
      return (losses, try session.bytes())
    }
    func behindGate(_ number: Double) -> [any Layer] { [Activation(.sigmoid), Spoiling(number: number)] }
    var cases: [(loss: any Loss, layers: (Double) -> [any Layer])] = [
      (BinaryCrossentropy(), { [Spoiling(number: $0), Activation(.sigmoid)] }),
      (CategoricalCrossentropy(), { [Spoiling(number: $0), Activation(.softmax)] }),
    ]
    for type in configurableLosses { cases.append((type.prototypeLoss, behindGate)) }
    for backend: any ComputeBackend in [ReferenceBackend()] + (hasOpenBLAS ? [OpenBLASBackend()] : []) {
      for (loss, layers) in cases {
        let calm = try trained(loss, 0, layers(0), on: backend)
        for number in [Double.nan, .infinity, -.infinity] {
          let wild = try trained(loss, number, layers(number), on: backend)
          #expect(wild.losses == calm.losses && wild.bytes == calm.bytes, "\(loss.name), \(number)")
        }
      }
    }
  }

  /// What two steps leave of a model of [N, T, features], and their losses; the data has `number` at its masked steps.
  private func trained(
    _ layers: [any Layer], _ number: Float, on backend: any ComputeBackend
  ) throws -> (losses: [Double], areFinite: [Bool], before: [String: [UInt8]], after: [String: [UInt8]]) {
    let step = TrainingStep(
      model: Sequential(layers),
      inputs: [ModelInput("x", .float32([Self.steps, Self.features]), mask: .lengths("lengths"))],
      objectives: [Objective(loss: MeanSquaredError(), targets: .values)], optimizer: SGD(learningRate: 0.1))
    let session = try TrainingSession(step: step, batchSize: 4, seed: 1, on: chain(backend))
    let before = try session.bytes()
    let data = try Self.data(number)
    let results = try (0..<2).map { _ in try session.train(data, [0, 1, 2, 3]) }
    return (results.map(\.loss), results.map(\.isFinite), before, try session.bytes())
  }

  @Test("a NaN or an infinity that the data has at masked steps reaches no loss and no gradient, whatever reads it")
  func wildData() throws {
    let models: [[any Layer]] = [
      [Dense(3)], [Dense(4, activation: .relu), LayerNormalization(), Dense(3, activation: .sigmoid)],
      [BatchNormalization(), Dense(3)], [SimpleRNN(3, returnSequences: true)],
      [LSTM(3, returnSequences: true)],
      [Bidirectional(GRU(3, returnSequences: true), mergeMode: .sum)],
      [MultiHeadAttention(numHeads: 1, keyDim: 2)], [Residual([GraphNode(Dense(3, activation: .tanh))]), Dense(3)],
    ]
    for backend: any ComputeBackend in [ReferenceBackend()] + (hasOpenBLAS ? [OpenBLASBackend()] : []) {
      for layers in models {
        let calm = try trained(layers, 0, on: backend)
        #expect(calm.areFinite == [true, true] && calm.before != calm.after)
        for number in [Float.nan, .infinity, -.infinity, 1000] {
          let wild = try trained(layers, number, on: backend)
          #expect(wild.losses == calm.losses && wild.after == calm.after, "\(layers[0].kind), \(number)")
        }
      }
    }
  }

  @Test("a NaN that a layer makes at a masked step reaches the weights behind it, and the step is left out")
  func wildLayer() throws {
    for backend: any ComputeBackend in [ReferenceBackend()] + (hasOpenBLAS ? [OpenBLASBackend()] : []) {
      let found = try trained([Dense(3), Spoiling(number: .nan), Dense(3)], 0, on: backend)
      #expect(found.losses.allSatisfy(\.isFinite) && found.areFinite == [false, false])
      #expect(found.before == found.after)
      // Nothing behind it has weights.
      let last = try trained([Dense(3), Spoiling(number: .nan)], 0, on: backend)
      #expect(last.areFinite == [true, true] && last.before != last.after)
    }
  }

  @Test("one sample as it stands is valid throughout")
  func sample() throws {
    let session = try TrainingSession(
      step: step(MeanSquaredError(), Self.steps, .lengths("lengths")), batchSize: 4, seed: 1,
      on: chain(ReferenceBackend()))
    let values = Array(Self.numbers(1, 0.5).prefix(Self.steps * Self.features))
    let data = try ArrayDataset([
      .float32("x", values, shape: [Self.steps, Self.features]), .int32("lengths", [Int32(Self.steps)]),
      .float32("labels", values, shape: [Self.steps, Self.features]),
    ])
    #expect(try session.predict(values) == session.predict(data, [0])[0])
  }
}

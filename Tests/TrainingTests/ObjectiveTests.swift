import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

@Suite("Objectives")
struct ObjectiveTests {
  private let model = Graph(outputs: ["digit", "ink"]) {
    Dense(3, activation: .tanh, name: "seen")
    Dense(3, activation: .softmax, name: "digit")
    Dense(1, name: "ink").reading("seen")
  }

  private func step(_ objectives: [Objective]) -> TrainingStep {
    TrainingStep(model: model, inputs: [ModelInput("x", .float32([2]))], objectives: objectives, optimizer: SGD())
  }

  private let both = [
    Objective(output: "digit", target: "labels", loss: CategoricalCrossentropy(), weight: 2),
    Objective(output: "ink", target: "ink", loss: MeanSquaredError(), weight: 0.1),
  ]

  private let values: [String: [Double]] = [
    "x": [0.5, -1, 2, 0.25, 1, 1, -0.5, 0.75], "labels": [0, 2, 1, 1], "ink": [0.5, 1, -1, 0],
    "weights": [1, 0, 2, 0.5], "learningRate": [0.1],
  ]

  /// The outputs of the program on the reference, with its initial states.
  private func outputs(_ program: Program, _ states: [InitialState]) throws -> [String: [Double]] {
    let host = try HostServices(workers: 1)
    let chain = BackendChain(
      [.init(name: "reference", device: try ReferenceBackend().open(device: 0, options: [:], host: host))], host: host)
    var values = values.filter { program.value(named: $0.key) != nil }
    for state in states { values[state.name] = state.values(seed: 3).map(Double.init) }
    return try ProgramEvaluation(program, values, on: chain).outputs
  }

  @Test("the loss is the sum of several, by their weights, and each is told by its output's name")
  func sum() throws {
    let training = try step(both).build(batchSize: 4)
    #expect(
      training.program.outputs.map(\.name) == ["loss", "digit/loss", "digit/correct", "ink/loss", "isFinite"])
    #expect(training.program.values(.input).map { training.program.values[$0].name } == ["x", "labels", "ink"])
    let found = try outputs(training.program, training.states)
    let expected = try 2 * #require(found["digit/loss"])[0] + 0.1 * #require(found["ink/loss"])[0]
    #expect(abs(try #require(found["loss"])[0] - expected) < 1e-6)
    let evaluation = try step(both).evaluation(batchSize: 4)
    #expect(
      evaluation.program.outputs.map(\.name) == [
        "digit/predictions", "digit/lossSum", "ink/predictions", "ink/lossSum",
      ])
    let judged = try outputs(evaluation.program, training.states)
    #expect(abs(try #require(judged["digit/lossSum"])[0] / 4 - found["digit/loss"]![0]) < 1e-6)
    #expect(
      try step(both).inference(batchSize: 4).program.outputs.map(\.name) == ["digit/predictions", "ink/predictions"])
  }

  @Test("an objective alone has the names of always, and a layer that it does not reach is named")
  func alone() throws {
    let alone = Graph(outputs: ["digit"]) { Dense(3, activation: .softmax, name: "digit") }
    let training = try TrainingStep(
      model: alone, inputs: [ModelInput("x", .float32([2]))], objectives: [both[0]], optimizer: SGD()
    ).build(batchSize: 4)
    #expect(training.program.outputs.map(\.name) == ["loss", "correct", "isFinite"])
    let error = #expect(throws: ProgramError.self) { try step([both[1]]).build(batchSize: 4) }
    #expect(error.map { "\($0)".contains("the loss does not depend on digit/kernel") } == true)
  }

  @Test(
    "sample weights scale each sample's loss, its gradient, and what counts as right; the mean stays over the batch")
  func sampleWeights() throws {
    func objective(_ field: String?) -> [Objective] {
      [Objective(output: "digit", loss: CategoricalCrossentropy(), sampleWeight: field)]
    }
    let single = Graph(outputs: ["digit"]) { Dense(3, activation: .softmax, name: "digit") }
    func step(_ field: String?) -> TrainingStep {
      TrainingStep(
        model: single, inputs: [ModelInput("x", .float32([2]))], objectives: objective(field), optimizer: SGD())
    }
    let training = try step("weights").build(batchSize: 4)
    let weighted = try outputs(training.program, training.states)
    // By hand: the losses of the four samples one at a time.
    let one = try step(nil).evaluation(batchSize: 1)
    var (sum, right) = (0.0, 0.0)
    for sample in 0..<4 {
      let host = try HostServices(workers: 1)
      let chain = BackendChain(
        [.init(name: "reference", device: try ReferenceBackend().open(device: 0, options: [:], host: host))], host: host
      )
      var numbers = ["x": Array(values["x"]![2 * sample..<2 * sample + 2]), "labels": [values["labels"]![sample]]]
      for state in training.states { numbers[state.name] = state.values(seed: 3).map(Double.init) }
      let found = try ProgramEvaluation(one.program, numbers, on: chain).outputs
      sum += values["weights"]![sample] * found["lossSum"]![0]
      let scores = try #require(found["predictions"])
      if Double(scores.firstIndex(of: scores.max() ?? 0) ?? -1) == values["labels"]![sample] {
        right += values["weights"]![sample]
      }
    }
    #expect(abs(weighted["loss"]![0] - sum / 4) < 1e-6)
    #expect(abs(weighted["correct"]![0] - right) < 1e-6)
    let evaluation = try outputs(try step("weights").evaluation(batchSize: 4).program, training.states)
    #expect(abs(evaluation["lossSum"]![0] - sum) < 1e-5)
  }

  @Test("a network of two inputs and two outputs is trained, judged by output, and predicts both")
  func session() throws {
    let two = Graph(outputs: ["digit", "ink"]) {
      Conv2D(4, kernelSize: 3, activation: .relu, name: "stem").reading("images")
      BatchNormalization(momentum: 0.5)
      GlobalAveragePooling2D(name: "seen")
      Embedding(5, 3, name: "word").reading("token")
      Concatenate(name: "both").reading("seen", "word")
      Dense(2, activation: .softmax, name: "digit")
      Dense(1, name: "ink").reading("both")
    }
    let step = TrainingStep(
      model: two,
      inputs: [ModelInput("images", .float32([5, 4, 1])), ModelInput("token", TensorType(.int32, []))],
      objectives: [
        Objective(output: "digit", loss: CategoricalCrossentropy(), sampleWeight: "sample_weight"),
        Objective(output: "ink", target: "ink", loss: MeanSquaredError(), weight: 0.5),
      ], optimizer: Adam(learningRate: 0.02))
    let count = 48
    let classes = (0..<count).map { Int32($0 % 2) }
    let pixels = (0..<count * 20).map { Float($0 % 7) / 7 + Float(classes[$0 / 20]) }
    let data = try ArrayDataset([
      .float32("images", pixels, shape: [5, 4, 1]), .int32("token", (0..<count).map { Int32($0 % 5) }),
      .int32("labels", classes), .float32("ink", (0..<count).map { Float($0 % 5) - 2 }, shape: [1]),
      .float32("sample_weight", (0..<count).map { $0 % 3 == 0 ? 0 : 1 }),
    ])
    let host = try HostServices(workers: 2)
    let chain = BackendChain(
      [.init(name: "reference", device: try ReferenceBackend().open(device: 0, options: [:], host: host))], host: host)
    let session = try TrainingSession(step: step, batchSize: 16, seed: 1, on: chain)
    let before = try session.evaluate(data)
    #expect(before.outputs.map(\.name) == ["digit", "ink"] && before.accuracy == nil)
    for update in 0..<60 {
      let first = Int32(16 * (update % 3))
      _ = try session.train(data, Array(first..<first + 16)[...])
    }
    let after = try session.evaluate(data)
    #expect(after.loss < 0.5 * before.loss)
    #expect(abs(after.loss - after.outputs[0].loss - 0.5 * after.outputs[1].loss) < 1e-9)
    #expect(after.outputs[0].accuracy == 1 && after.outputs[0].classes?.classCount == 2)
    #expect(after.outputs[1].accuracy == nil && after.outputs[1].classes == nil)
    let predictions = try session.predictions(data, [0, 1, 2])
    #expect(predictions["digit"]?.map(\.count) == [2, 2, 2] && predictions["ink"]?.map(\.count) == [1, 1, 1])
    // The statistics moved, and evaluation reads them.
    let name = "layers.1.batchNormalization/movingMean"
    let mean = try session.states.withBytes(of: name) { Array($0.bindMemory(to: Float.self)) }
    #expect(mean.contains { $0 != 0 })
  }

  @Test("a token that the table has no row for ends the step, and is named")
  func tokens() throws {
    let model = Sequential([Embedding(5, 3), Dense(2, activation: .softmax)])
    let step = TrainingStep(
      model: model, inputs: [ModelInput("token", TensorType(.int32, []))],
      objectives: [Objective(loss: CategoricalCrossentropy())], optimizer: SGD())
    let data = try ArrayDataset([.int32("token", [0, 4, 5, 1]), .int32("labels", [0, 1, 0, 1])])
    let host = try HostServices(workers: 2)
    let chain = BackendChain(
      [.init(name: "reference", device: try ReferenceBackend().open(device: 0, options: [:], host: host))], host: host)
    let session = try TrainingSession(step: step, batchSize: 4, seed: 1, on: chain)
    let error = #expect(throws: (any Error).self) { try session.train(data, [0, 1, 2, 3]) }
    #expect(error.map { "\($0)" }?.contains("5") == true, "\(error.map { "\($0)" } ?? "")")
  }

  @Test("objectives that cannot be are errors that name them")
  func errors() {
    func message(_ objectives: [Objective]) -> String {
      do {
        _ = try step(objectives).build(batchSize: 4)
        return ""
      } catch {
        return "\(error)"
      }
    }
    #expect(
      message([Objective(output: "colour", loss: MeanSquaredError())]).contains(
        "an objective judges colour, and the model has no such output (it has digit, ink)"))
    #expect(message([both[0], both[0]]).contains("two objectives judge digit"))
    #expect(message([]).contains("training needs an objective"))
    #expect(
      message([both[0], Objective(output: "ink", target: "labels", loss: MeanSquaredError())]).contains(
        "needs labels as f32[4,1], and another reader has it as i32[4]"))
    #expect(
      message([Objective(output: "digit", loss: CategoricalCrossentropy(), weight: -1)]).contains(
        "the weight of an objective"))
  }
}

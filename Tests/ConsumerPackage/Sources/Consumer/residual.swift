import Switchback

/// a + gain · b, with a gain for each feature that is learnt: a layer of one's own with two inputs.
struct GatedSum: Layer {
  var name: String?
  var kind: String { "gatedSum" }

  func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    let gain = try context.parameter("gain", [inputs[1].shape.extents.last!], initializer: .ones)
    let scaled = try context.append(Binary(.multiply), inputs[1], gain)
    return [try context.append(Binary(.add), inputs[0], scaled)]
  }
}

/// A residual network that reads pictures and rows of a table, and answers which half of a picture is bright, and how
/// bright: trained, saved, loaded, predicted with.
func residual(in folder: String, on chain: BackendChain) throws {
  let levels = (0..<64).map { 0.4 + Float($0 % 7) / 10 }
  let pixels = levels.enumerated().flatMap { n, level in (0..<64).map { ($0 < 32) == (n % 2 == 0) ? level : 0 } }
  let data = try ArrayDataset([
    .float32("images", pixels, shape: [8, 8, 1]), .float32("table", levels.flatMap { [$0, 1 - $0] }, shape: [2]),
    .int32("half", (0..<64).map { $0 % 2 }), .float32("level", levels, shape: [1]),
  ])
  let model = Graph(outputs: ["half", "level"]) {
    Conv2D(4, kernelSize: 3, padding: .same, name: "stem").reading("images")
    Residual(activation: .relu) {
      Conv2D(8, kernelSize: 3, strides: 2, padding: .same, useBias: false)
      BatchNormalization()
      Activation(.relu)
      Conv2D(8, kernelSize: 3, padding: .same, useBias: false)
      BatchNormalization()
    } shortcut: {
      Conv2D(8, kernelSize: 1, strides: 2)
    }
    Flatten()
    Dense(6, activation: .relu, name: "seen")
    Dense(6, activation: .tanh, name: "side").reading("table")
    GatedSum(name: "both").reading("seen", "side")
    Dense(2, activation: .softmax, name: "half")
    Dense(1, name: "level").reading("both")
  }
  let step = TrainingStep(
    model: model, inputs: [ModelInput("images", .float32([8, 8, 1])), ModelInput("table", .float32([2]))],
    objectives: [
      Objective(output: "half", target: "half", loss: CategoricalCrossentropy()),
      Objective(output: "level", target: "level", loss: MeanSquaredError(), weight: 0.5),
    ], optimizer: Adam(learningRate: 0.01))
  let session = try TrainingSession(step: step, batchSize: 16, seed: 1, on: chain)
  let batches = (1...5).map { BatchOrder(count: data.count, batchSize: 16, seed: 1, epoch: $0) }
  let losses = try batches.flatMap { order in try (0..<4).map { try session.train(data, order.batch($0)).loss } }
  try require(losses[19] < losses[0], "the loss did not fall: \(losses)")

  try session.trainedModel(for: data).save(to: folder + "/residual.safetensors")
  let loaded = try TrainedModel(file: folder + "/residual.safetensors", on: chain)
  for (index, answers) in zip(0..<4, try loaded.predict(data, [0, 1, 2, 3])) {
    let said = try session.predictions(data, [Int32(index)]).mapValues { $0[0] }
    // The loaded one has its normalizations folded, which is right but for roundings.
    let areNear = answers.allSatisfy { name, answer in
      zip(answer.outputs, said[name] ?? []).allSatisfy { abs($0 - $1) <= 1e-4 }
    }
    try require(areNear, "the loaded network answers \(answers), the session \(said)")
  }
}

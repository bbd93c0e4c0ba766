import Switchback

/// A transformer's block of one's own: steps attend to earlier ones, and behind that a dense layer is gated by another.
struct GatedBlock: UnaryLayer {
  var heads: Int
  var kind: String { "gatedBlock" }

  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let width = input.shape.extents.last!
    let attention = MultiHeadAttention(numHeads: heads, keyDim: width / heads, useCausalMask: true)
    let read = try context.call(RMSNormalization(), at: "before", input)
    let attended = try context.append(Binary(.add), input, context.call(attention, at: "attention", read))
    let seen = try context.call(RMSNormalization(), at: "between", attended)
    let gate = try context.call(Dense(2 * width, activation: .swish), at: "gate", seen)
    let made = try context.append(Binary(.multiply), gate, context.call(Dense(2 * width), at: "up", seen))
    return try context.append(Binary(.add), attended, context.call(Dense(width), at: "down", made))
  }
}

/// Learns which of two marks comes first in six steps, as no layer can that does not look from step to step.
func transformer(in folder: String, on chain: BackendChain) throws {
  let pairs = (0..<6).flatMap { a in (0..<6).filter { $0 != a }.map { (a, $0) } } + [(0, 5), (5, 0)]
  let marks = pairs.flatMap { first, second in
    (0..<6).flatMap { [$0 == first ? 1 : 0, $0 == second ? 1 : 0] as [Float] }
  }
  let data = try ArrayDataset([
    .float32("marks", marks, shape: [6, 2]), .int32("labels", pairs.map { $0 < $1 ? 0 : 1 }),
  ])
  let model = Sequential {
    Dense(8)
    SinePositionEncoding()
    GatedBlock(heads: 2)
    GatedBlock(heads: 2)
    GlobalAveragePooling1D()
    Dense(2, activation: .softmax)
  }
  let step = TrainingStep(
    model: model, inputs: [ModelInput("marks", .float32([6, 2]))],
    objectives: [Objective(loss: CategoricalCrossentropy())], optimizer: Adam(learningRate: 0.01))
  let session = try TrainingSession(step: step, batchSize: 16, seed: 1, on: chain)
  var losses: [Double] = []
  for epoch in 1...30 {
    let order = BatchOrder(count: data.count, batchSize: 16, seed: 1, epoch: epoch)
    for index in 0..<2 { losses.append(try session.train(data, order.batch(index)).loss) }
  }
  try require(losses[59] < losses[0] / 2, "the loss did not fall: \(losses)")

  try session.trainedModel(for: data).save(to: folder + "/transformer.safetensors")
  let loaded = try TrainedModel(file: folder + "/transformer.safetensors", on: chain)
  for (index, answers) in zip(0..<4, try loaded.predict(data, [0, 1, 2, 3])) {
    let said = try session.predict(data, [Int32(index)])[0]
    try require(answers["labels"]?.outputs == said, "the loaded network answers \(answers), the session \(said)")
  }
}

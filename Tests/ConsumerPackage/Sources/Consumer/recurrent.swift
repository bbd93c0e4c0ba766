import Switchback

/// h ← d∘h + (1 − d)∘tanh(W·x + b) with a share d for each unit that is learnt: a recurrent cell of one's own.
struct LeakyCell: RecurrentCell {
  var units: Int
  var kind: String { "leaky" }
  var stateShapes: [Shape] { [[units]] }

  func callAsFunction(
    _ input: Value, _ states: [Value], in context: inout LayerContext
  ) throws(ProgramError) -> (output: Value, states: [Value]) {
    let seen = try context.call(Dense(units, activation: .tanh), at: "dense", input)
    let decay = try context.append(Unary(.sigmoid), context.parameter("decay", [units], initializer: .ones))
    let difference = try context.append(Binary(.subtract), states[0], seen)
    let kept = try context.append(Binary(.multiply), difference, decay)
    let state = try context.append(Binary(.add), seen, kept)
    return (state, [state])
  }
}

/// A recurrent network on token sequences of several lengths, padded with 0 and masked there: which of the first two tokens
/// is larger. It is trained and saved, and the loaded one answers as the session does.
func recurrent(in folder: String, on chain: BackendChain) throws {
  let rows = (0..<64).map { n -> [Int32] in
    let words = [Int32(n * 5 % 7 + 1), Int32(n * 3 % 5 + 3)] + (0..<n % 5).map { Int32(($0 + n) % 9 + 1) }
    return words + [Int32](repeating: 0, count: 6 - words.count)
  }
  let data = try ArrayDataset([
    .int32("tokens", rows.flatMap { $0 }, shape: [6]), .int32("larger", rows.map { $0[0] > $0[1] ? 0 : 1 }),
  ])
  let model = Graph(outputs: ["larger"]) {
    Embedding(10, 8, maskZero: true)
    Bidirectional(LSTM(8, returnSequences: true))
    Recurrent(LeakyCell(units: 8))
    Dense(2, activation: .softmax, name: "larger")
  }
  let step = TrainingStep(
    model: model, inputs: [ModelInput("tokens", .int32([6]))],
    objectives: [Objective(target: "larger", loss: CategoricalCrossentropy())], optimizer: Adam(learningRate: 0.02))
  let session = try TrainingSession(step: step, batchSize: 16, seed: 1, on: chain)
  let batches = (1...5).map { BatchOrder(count: data.count, batchSize: 16, seed: 1, epoch: $0) }
  let losses = try batches.flatMap { order in try (0..<4).map { try session.train(data, order.batch($0)).loss } }
  try require(losses[19] < losses[0], "the loss did not fall: \(losses)")

  try session.trainedModel(for: data).save(to: folder + "/recurrent.safetensors")
  let loaded = try TrainedModel(file: folder + "/recurrent.safetensors", on: chain)
  for (index, answers) in zip(0..<4, try loaded.predict(data, [0, 1, 2, 3])) {
    let said = try session.predictions(data, [Int32(index)]).values.map { $0[0] }
    try require(answers.values.map(\.outputs) == said, "the loaded network answers \(answers), the session \(said)")
  }
}

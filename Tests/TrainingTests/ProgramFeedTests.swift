import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackInference
import SwitchbackNeuralNetworks
import SwitchbackReference
import SwitchbackTraining
import Testing

/// Six samples of four numbers and three classes.
private let samples: [Float] = (0..<24).map { Float($0 % 7) / 7 }
private let classes: [Int32] = [0, 1, 2, 0, 1, 2]

private func step(inputName: String = "images") -> TrainingStep {
  TrainingStep(
    model: Sequential([Dense(3, activation: .softmax)]), sampleShape: [4], loss: CategoricalCrossentropy(),
    optimizer: SGD(learningRate: 0.1), inputName: inputName)
}

private func session(_ step: TrainingStep) throws -> TrainingSession {
  try TrainingSession(step: step, batchSize: 2, seed: 1, on: try chain(ReferenceBackend()), probeInterval: nil)
}

@Suite struct ProgramFeedTests {
  private func refusal(_ data: any Dataset, _ indices: ArraySlice<Int32> = [0, 1]) throws -> String {
    let executor = try ProgramExecutor(
      try step().build(batchSize: 2).program, on: try chain(ReferenceBackend()), states: StateStore())
    let feed = try ProgramFeed(executor)
    return (#expect(throws: DatasetError.self) { try feed.fill(data, indices) })?.message ?? ""
  }

  @Test("a field that the data lacks, or that does not fit, is an error that names it and what the program wants")
  func refusals() throws {
    let misnamed = try ArrayDataset(samples, shape: [4], labels: classes, name: "table")
    #expect(
      try refusal(misnamed)
        == "the program train reads images f32[2,4], and the data has no field of that name; it has table f32 [4], "
        + "labels i32 []")
    let unlabelled = try ArrayDataset([.float32("images", samples, shape: [4])])
    #expect(try refusal(unlabelled).contains("reads labels i32[2], and the data has no field of that name"))
    let short = try ArrayDataset(samples, shape: [2], labels: classes + classes)
    #expect(
      try refusal(short)
        == "the field images f32 [2] of 2 samples does not fit the input images f32[2,4] of the program train")
    let numbers = try ArrayDataset(samples, shape: [4], targets: [1, 2, 3, 4, 5, 6])
    #expect(
      try refusal(numbers).contains("the field labels f32 [1] of 2 samples does not fit the input labels i32[2]"))
    let right = try ArrayDataset(samples, shape: [4], labels: classes)
    #expect(try refusal(right, [0, 1, 2]) == "3 samples are no batch of the program train, which takes 2")
  }

  @Test("batches come where the program reads them, whatever else the data has and in whatever order")
  func batches() throws {
    let executor = try ProgramExecutor(
      try step().build(batchSize: 2).program, on: try chain(ReferenceBackend()), states: StateStore())
    let feed = try ProgramFeed(executor)
    let plain = try ArrayDataset(samples, shape: [4], labels: classes)
    let more = try ArrayDataset([
      .float32("sample_weight", [1, 1, 1, 2, 2, 2]), .int32("labels", classes), .uint8("note", [1, 2, 3, 4, 5, 6]),
      .float32("images", samples, shape: [2, 2]),
    ])
    for data: any Dataset in [plain, more, plain.subset(0..<6)] {
      try feed.fill(data, [5, 1])
      try executor.withInput("images") { bytes in
        #expect(Array(bytes.bindMemory(to: Float.self)) == Array(samples[20..<24] + samples[4..<8]))
      }
      try executor.withInput("labels") { #expect(Array($0.bindMemory(to: Int32.self)) == [2, 1]) }
    }
  }

  @Test("a loop refuses data whose fields its network cannot read before it begins, in every part")
  func loop() throws {
    let images = [Float](repeating: 0.5, count: 100 * 784)
    let labels = (0..<100).map { Int32($0 % 10) }
    let right = try ArrayDataset(images, shape: [28, 28, 1], labels: labels)
    _ = try makeLoop(data: DatasetParts(train: right, test: right))
    let misnamed = try ArrayDataset(images, shape: [28, 28, 1], labels: labels, name: "table")
    let smaller = try ArrayDataset(images, shape: [28, 28], labels: labels)
    let halves = try ArrayDataset(images + images, shape: [56, 28, 1], labels: labels)
    // The same numbers in another shape are read.
    _ = try makeLoop(data: DatasetParts(train: right, test: smaller))
    for (parts, words) in [
      (DatasetParts(train: misnamed, test: right), "reads table f32[50,28,28,1], and the data has no field of"),
      (DatasetParts(train: right, test: misnamed), "reads images f32[50,28,28,1], and the data has no field of"),
      (DatasetParts(train: right, validation: halves, test: right), "the field images f32 [56, 28, 1] of 50 samples"),
    ] {
      let error = #expect(throws: DatasetError.self) { try makeLoop(data: parts) }
      #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }
  }

  @Test("training on fields of one's own has the bits of training on bytes, and the model's input may have any name")
  func training() throws {
    let bytes = samples.map { UInt8($0 * 255) }
    let old = try ByteDataset(sampleShape: [4], classNames: ["a", "b", "c"], samples: bytes, labels: classes)
    let new = try ArrayDataset([
      .int32("labels", classes), .float32("table", bytes.map { Float($0) * (1 / 255) }, shape: [4]),
    ])
    let (first, second) = (try session(step()), try session(step(inputName: "table")))
    for batch: ArraySlice<Int32> in [[0, 1], [4, 5], [2, 3]] {
      #expect(try first.train(old, batch).loss == second.train(new, batch).loss)
    }
    #expect(try first.bytes() == second.bytes())
    #expect(try first.evaluate(old).loss == second.evaluate(new).loss)
    #expect(try first.predict(old, [3, 1]) == second.predict(new, [3, 1]))
    #expect(try first.predict(old.sample(3).values) == second.predict(new, [3])[0])
  }
}

import SwitchbackDatasets
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

private let count = 8

/// Rows with two classes each, of which the second is so much.
private func data(_ labels: [Int32], partners: [Int32]? = nil, share: Float = 0) throws -> ArrayDataset {
  let rows = (0..<3 * count).map { Float(($0 * 7 + 3) % 11) / 5 - 1 }
  var columns: [ArrayDataset.Column] = [.float32("images", rows, shape: [3]), .int32("labels", labels)]
  if let partners {
    columns += [
      .int32(Field.partner(of: "labels"), partners),
      .float32(Field.partnerShare, [Float](repeating: share, count: count)),
    ]
  }
  return try ArrayDataset(columns)
}

private let labels: [Int32] = [0, 1, 2, 0, 1, 2, 1, 1]
private let partners: [Int32] = [1, 1, 0, 2, 0, 2, 2, 0]

/// What a step reads and counts, and the weights after it.
private struct Outcome {
  var loss: Double
  var correct: Double?
  var weights: [String: [Float]]

  /// `classes` outputs; one output tells two classes apart.
  init(
    _ data: ArrayDataset, _ loss: any Loss, mixing: Bool = true, classes: Int = 3, classWeights: [Double] = []
  ) throws {
    var objective = Objective(loss: loss, targets: .classes, classWeights: classWeights)
    if mixing { objective.mixing = .init(partner: Field.partner(of: "labels"), share: Field.partnerShare) }
    let step = TrainingStep(
      model: Sequential([Dense(classes, activation: classes == 1 ? .sigmoid : .softmax)]),
      inputs: [ModelInput("images", .float32([3]))], objectives: [objective], optimizer: SGD(learningRate: 0.5))
    let session = try TrainingSession(step: step, batchSize: count, seed: 4, on: try chain(ReferenceBackend()))
    let result = try session.train(data, (0..<Int32(count)).map { $0 }[...])
    (self.loss, correct) = (result.loss, result.correct)
    var weights: [String: [Float]] = [:]
    for parameter in session.parameters {
      weights[parameter.name] = try session.states.withBytes(of: parameter.name) {
        Array($0.bindMemory(to: Float.self))
      }
    }
    self.weights = weights
  }
}

@Suite("A step on mixed samples")
struct MixupStepTests {
  private let losses: [(loss: any Loss, classes: Int, weights: [Double])] = [
    (CategoricalCrossentropy(), 3, []), (CategoricalCrossentropy(labelSmoothing: 0.1), 3, [0.5, 2, 1]),
    (BinaryCrossentropy(), 3, []), (MeanSquaredError(), 3, [1, 3, 0]), (BinaryCrossentropy(), 1, [1, 0.25]),
  ]

  @Test(
    "loss and gradient are (1 − share) of the target's and share of the partner's; right is who agrees with the target")
  func loss() throws {
    for (loss, classes, weights) in losses {
      func classed(_ labels: [Int32]) -> [Int32] { classes == 1 ? labels.map { min($0, 1) } : labels }
      let (own, others) = (classed(labels), classed(partners))
      let share = 0.375
      let found = try Outcome(
        data(own, partners: others, share: Float(share)), loss, classes: classes, classWeights: weights)
      let alone = try [own, others].map {
        try Outcome(data($0), loss, mixing: false, classes: classes, classWeights: weights)
      }
      #expect(abs(found.loss - ((1 - share) * alone[0].loss + share * alone[1].loss)) < 1e-6, "\(loss.name)")
      #expect(abs(alone[0].loss - alone[1].loss) > 1e-3, "\(loss.name)")
      #expect(found.correct == alone[0].correct && found.correct != nil, "\(loss.name)")
      for (name, weight) in found.weights {
        for (place, number) in weight.enumerated() {
          let expected =
            (1 - share) * Double(try #require(alone[0].weights[name])[place])
            + share * Double(try #require(alone[1].weights[name])[place])
          #expect(abs(Double(number) - expected) < 1e-6, "\(loss.name) \(name)")
        }
      }
    }
  }

  @Test("data that is not mixed trains a step for mixtures with the bits of the step without")
  func unmixed() throws {
    for (loss, classes, weights) in losses {
      let own = classes == 1 ? labels.map { min($0, 1) } : labels
      let plain = try Outcome(data(own), loss, mixing: false, classes: classes, classWeights: weights)
      let found = try Outcome(data(own), loss, classes: classes, classWeights: weights)
      #expect(found.loss == plain.loss && found.correct == plain.correct && found.weights == plain.weights)
    }
  }

  @Test("an evaluation reads no mixture, and judges as that of the step without")
  func evaluation() throws {
    var step = TrainingStep(
      model: Sequential([Dense(3, activation: .softmax)]), inputs: [ModelInput("images", .float32([3]))],
      objectives: [Objective(loss: CategoricalCrossentropy())], optimizer: SGD())
    let plain = try step.evaluation(batchSize: 4).program
    step.objectives[0].mixing = .init(partner: "a", share: "b")
    #expect(try step.evaluation(batchSize: 4).program == plain)
    let names = try step.build(batchSize: 4).program.values(.input).count
    #expect(names == 4)
  }

  @Test("classes of steps are not mixed: the step is an error that names the target, and its evaluation is none")
  func classesOfSteps() throws {
    var objective = Objective(loss: SparseCategoricalCrossentropy())
    objective.mixing = .init(partner: Field.partner(of: "labels"), share: Field.partnerShare)
    let step = TrainingStep(
      model: Sequential([Dense(3, activation: .softmax)]), inputs: [ModelInput("x", .float32([4, 3]))],
      objectives: [objective], optimizer: SGD())
    let error = #expect(throws: ProgramError.self) { try step.build(batchSize: 2) }
    let words = "only a class a sample is mixed, and labels has one a step of [2,4,3]"
    #expect("\(try #require(error))".contains(words), "\(String(describing: error))")
    _ = try step.evaluation(batchSize: 2)
  }

  @Test("a configuration mixes classes in the step, and is refused with its line where data cannot be mixed")
  func configuration() throws {
    let settings = ["data.augmentation={mixup: {alpha: 0.3}}"]
    let made = try Configuration(text: smallRun, file: "test.yaml", overrides: settings)
    let data = try madeData(count: 20)
    let step = try made.trainingStep(on: data.layout)
    #expect(
      step.objectives.map(\.mixing) == [.init(partner: "labels/partner", share: "mixup/share")])
    #expect(try Configuration(text: smallRun, file: "a").trainingStep(on: data.layout).objectives[0].mixing == nil)
    var layout = data.layout
    layout.others.append(Field(Field.sampleWeight, .float32))
    let error = #expect(throws: ConfigurationError.self) { try made.trainingStep(on: layout) }
    let found = error?.problems.map(\.description).joined(separator: "\n") ?? ""
    #expect(found.contains("data.augmentation: mixup knows no mixture of sample_weight"), "\(found)")
  }

  @Test("a run on mixed samples learns: its test loss falls below what chance gives")
  func learns() throws {
    let loop = try makeLoop(smallRun, ["data.augmentation={mixup: {alpha: 0.2}}"])
    let loss = try loop.run().testLoss
    #expect(loss < 2.1, "\(loss)")
  }
}

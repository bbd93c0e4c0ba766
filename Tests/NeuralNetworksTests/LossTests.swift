import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

@Suite("Losses")
struct LossTests {
  static let steps: [TrainingStep] = [
    Networks.small(Dense(2), loss: MeanSquaredError()),
    Networks.small(Dense(2), loss: MeanAbsoluteError()),
    Networks.small(Dense(2), loss: Huber(delta: 0.5)),
    Networks.small(loss: MeanSquaredError(), targets: .classes),
    Networks.small(loss: CategoricalCrossentropy(labelSmoothing: 0.1)),
    Networks.small(loss: CategoricalCrossentropy(), targets: .values),
    Networks.small(Dense(3, activation: .softplus), loss: CategoricalCrossentropy()),
    Networks.small(Dense(3), loss: CategoricalCrossentropy(fromLogits: true)),
    Networks.small(loss: SparseCategoricalCrossentropy()),
    Networks.small(Dense(1, activation: .sigmoid), loss: BinaryCrossentropy(labelSmoothing: 0.1)),
    Networks.small(Dense(4, activation: .sigmoid), loss: BinaryCrossentropy(), targets: .values),
    Networks.small(Dense(1, activation: .hardSigmoid), loss: BinaryCrossentropy()),
    Networks.small(Dense(1), loss: BinaryCrossentropy(fromLogits: true)),
  ]

  @Test("every loss type-checks, differentiates and reads back from its text", arguments: steps.indices)
  func differentiates(_ index: Int) throws {
    let step = Self.steps[index]
    let training = try step.build(batchSize: 7)
    #expect(training.trace.parameters.count == 4)
    #expect(training.program.values[training.program.output(named: "loss")!].type == .float32([]))
    #expect((training.program.output(named: "correct") != nil) == (step.objectives[0].targets == .classes))
    #expect(try Program(text: training.program.description) == training.program)
    _ = try training.program.converted(to: .float64)
    let evaluation = try step.evaluation(batchSize: 7).program
    #expect(evaluation.values[evaluation.output(named: "lossSum")!].type == .float32([]))
  }

  @Test("cross-entropy after softmax takes the logits, and no gradient passes the softmax")
  func fusedSoftmax() throws {
    let training = try Networks.small().build(batchSize: 7)
    #expect(training.program.counts["softmaxCrossEntropy/backward"] == 1)
    #expect(training.program.counts["softmax/backward"] == nil)
    let last = try #require(training.gates.last)
    #expect(last.function == "softmax" && last.outputGradient == nil)
    #expect(last.preActivationGradient?.shape == [7, 3])
  }

  @Test("cross-entropy after sigmoid takes the logits through softplus")
  func fusedSigmoid() throws {
    let training = try Networks.small(Dense(1, activation: .sigmoid), loss: BinaryCrossentropy()).build(batchSize: 7)
    let functions = training.program.calls.compactMap { ($0.operation as? Unary)?.function }
    #expect(functions.contains(.softplus) && !functions.contains(.log))
  }

  @Test("probabilities from elsewhere are kept 1e-7 from 0 and 1")
  func clamped() throws {
    let training = try Networks.small(Dense(3, activation: .softplus)).build(batchSize: 7)
    let constants = training.program.calls.compactMap { ($0.operation as? Fill)?.value }
    #expect(constants.contains(1e-7) && constants.contains(1 - 1e-7))
  }

  @Test("class weights are a table looked up by the labels, and the mean stays over the batch")
  func classWeights() throws {
    var step = Networks.small()
    step.objectives[0].classWeights = [1, 2, 0.5]
    let training = try step.build(batchSize: 7)
    #expect(training.states.first { $0.name == "loss/classWeights" }?.values(seed: 0) == [1, 2, 0.5])
    #expect(training.program.counts["gather"] == 1)
    #expect(try step.evaluation(batchSize: 7).program.counts["gather"] == nil)
    step.objectives[0].classWeights = [1, 2]
    #expect(errorText { _ = try step.build(batchSize: 7) }.contains("there are 3 classes"))
  }

  @Test("regularizers join the loss and their weight's gradient, not the evaluation's sum")
  func regularizers() throws {
    let step = Networks.small(
      Dense(3, activation: .softmax, kernelRegularizer: .l1l2(l1: 0.1, l2: 0.2), biasRegularizer: .l1(0.3)))
    let program = try step.build(batchSize: 7).program
    let reductions = program.calls.compactMap { ($0.operation as? Reduce)?.function }
    #expect(reductions.filter { $0 == .sumSquares }.count == 1)
    #expect(try step.evaluation(batchSize: 7).program.output(named: "regularization") != nil)
    #expect(try Networks.small().evaluation(batchSize: 7).program.output(named: "regularization") == nil)
  }

  @Test("losses that the model does not fit are refused with the cure")
  func misfits() {
    let single = errorText { _ = try Networks.small(Dense(1)).build(batchSize: 7) }
    #expect(single.contains("use binaryCrossentropy"))
    let image = TrainingStep(
      model: Sequential([Conv2D(3, kernelSize: 1)]), sampleShape: [4, 4, 1], loss: CategoricalCrossentropy(),
      optimizer: SGD())
    #expect(errorText { _ = try image.build(batchSize: 7) }.contains("put a flatten and a dense layer at the end"))
    let smoothing = Networks.small(loss: CategoricalCrossentropy(labelSmoothing: 2))
    #expect(errorText { _ = try smoothing.build(batchSize: 7) }.contains("labelSmoothing must lie in 0 … 1"))
  }
}

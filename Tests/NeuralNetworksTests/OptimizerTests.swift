import Foundation
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

@Suite("Optimizers")
struct OptimizerTests {
  private func slots(_ optimizer: any Optimizer) throws -> [String] {
    try Networks.small(optimizer: optimizer).build(batchSize: 7).states.map(\.name).filter {
      $0.hasPrefix("optimizer/layers.0.dense/kernel/")
    }.map { String($0.dropFirst("optimizer/layers.0.dense/kernel/".count)) }
  }

  @Test("each optimizer has Keras's slots")
  func slotNames() throws {
    #expect(try slots(SGD()) == [])
    #expect(try slots(SGD(momentum: 0.9, nesterov: true)) == ["momentum"])
    #expect(try slots(RMSprop()) == ["velocity"])
    #expect(try slots(RMSprop(momentum: 0.9, centered: true)) == ["velocity", "average_gradient", "momentum"])
    #expect(try slots(Adagrad()) == ["accumulator"])
    #expect(try slots(Adam()) == ["momentum", "velocity"])
    #expect(try slots(AdamW()) == ["momentum", "velocity"])
  }

  @Test("adagrad's accumulators start at 0.1, other slots at 0")
  func initialSlots() throws {
    func first(_ optimizer: any Optimizer) throws -> Float? {
      try Networks.small(optimizer: optimizer).build(batchSize: 7).states.first { $0.name.hasPrefix("optimizer/") }?
        .values(seed: 1).first
    }
    #expect(try first(Adagrad()) == 0.1)
    #expect(try first(Adam()) == 0)
  }

  @Test("defaults are Keras 3's")
  func defaults() {
    #expect(SGD().learningRate(0) == 0.01 && RMSprop().learningRate(0) == 0.001 && Adagrad().learningRate(0) == 0.001)
    #expect(Adam().update(weightDecay: 0) as? AdamUpdate == AdamUpdate(beta1: 0.9, beta2: 0.999, epsilon: 1e-7))
    #expect(RMSprop().update(weightDecay: 0) as? RMSpropUpdate == RMSpropUpdate(rho: 0.9, epsilon: 1e-7))
    #expect(AdamW().weightDecay == 0.004)
  }

  @Test("only adam asks for a correction, which is that of t = update + 1")
  func correction() throws {
    let adam = try Networks.small(optimizer: Adam()).build(batchSize: 7)
    #expect(adam.stepValues.names == ["learningRate", "correction"])
    for update in [0, 1, 9, 999] {
      let t = Double(update + 1)
      let expected = (1 - pow(0.999, t)).squareRoot() / (1 - pow(0.9, t))
      let found = adam.stepValues("correction", at: StepPosition(update: update, seed: 0))
      guard case .scalar(let value)? = found else {
        Issue.record("no correction")
        return
      }
      #expect(abs(value - expected) < 1e-12 * expected)
    }
    #expect(try Networks.small(optimizer: RMSprop()).build(batchSize: 7).stepValues.names == ["learningRate"])
  }

  @Test("excluded parameters do not decay")
  func exclusions() throws {
    let optimizer = AdamW(weightDecay: 0.1, weightDecayExclusions: ["bias"])
    let updates = try Networks.small(optimizer: optimizer).build(batchSize: 7).program.calls
      .compactMap { $0.operation as? AdamUpdate }
    #expect(updates.map(\.weightDecay) == [0.1, 0, 0.1, 0])
  }

  @Test("an update is allowed by the finiteness of the loss and every gradient")
  func guardedUpdate() throws {
    let training = try Networks.small().build(batchSize: 7)
    let check = try #require(training.program.calls.first { $0.operation is AllFinite })
    #expect(check.inputs == [training.trace.loss.id] + training.trace.parameters.map(\.gradient.id))
    for call in training.program.calls where call.operation is SGDUpdate {
      #expect(call.inputs.last == training.trace.isFinite.id)
    }
  }

  @Test("clipping puts its composition between gradient and update")
  func clipping() throws {
    func build(_ clipping: GradientClipping) throws -> TrainingProgram {
      var step = Networks.small()
      step.clipping = clipping
      return try step.build(batchSize: 7)
    }
    func count(_ training: TrainingProgram, _ function: BinaryFunction) -> Int {
      training.program.calls.filter { ($0.operation as? Binary)?.function == function }.count
    }
    let value = try build(.value(0.5))
    #expect(count(value, .maximum) == 4 && count(value, .minimum) == 4)
    let norm = try build(.norm(1))
    // Each norm twice: as it is, and scaled for where that overflows.
    #expect(count(norm, .maximum) == 8 && count(norm, .divide) == 8)
    let global = try build(.globalNorm(1))
    #expect(count(global, .maximum) == 2 && count(global, .divide) == 2)
    for training in [value, norm, global] {
      #expect(training.trace.parameters.allSatisfy { $0.gradient != $0.appliedGradient })
      #expect(training.trace.parameters.allSatisfy { $0.gradient.shape == $0.appliedGradient.shape })
    }
    #expect(errorText { _ = try build(.norm(0)) }.contains("must be positive, not 0"))
  }

  @Test("accumulation over k batches is two programs over the same states")
  func accumulation() throws {
    var step = Networks.small(optimizer: RMSprop())
    step.accumulationSteps = 4
    let training = try step.build(batchSize: 7)
    let accumulation = try #require(training.accumulation)
    #expect(accumulation.counts["rmspropUpdate"] == nil && accumulation.counts["assign"] == 4)
    #expect(training.program.counts["rmspropUpdate"] == 4 && training.program.counts["assign"] == 4)
    #expect(Set(accumulation.names(.state)).isSubset(of: training.program.names(.state)))
    #expect(training.program.calls.contains { ($0.operation as? Fill)?.value == 0.25 })
    #expect(Set(training.states.map(\.name)) == Set(training.program.names(.state)))
    // What is left at the end of an epoch: the same states and calls, and another constant.
    let rest = try step.build(batchSize: 7, accumulated: 2)
    #expect(rest.accumulation == nil && rest.states == training.states)
    #expect(rest.program.counts == training.program.counts)
    #expect(rest.program.calls.contains { ($0.operation as? Fill)?.value == 0.5 })
    #expect(errorText { _ = try step.build(batchSize: 7, accumulated: 5) }.contains("1 to 4 batches"))
  }

  @Test("the weights' moving average starts as a copy and takes the first update whole")
  func movingAverage() throws {
    var step = Networks.small()
    step.averageMomentum = 0.99
    let training = try step.build(batchSize: 7)
    let weight = try #require(training.states.first { $0.name == "layers.0.dense/kernel" })
    let average = try #require(training.states.first { $0.name == "ema/layers.0.dense/kernel" })
    #expect(weight.values(seed: 3) == average.values(seed: 3))
    #expect(training.stepValues("averageMomentum", at: StepPosition(update: 0, seed: 0)) == .scalar(0))
    #expect(training.stepValues("averageMomentum", at: StepPosition(update: 1, seed: 0)) == .scalar(0.99))
  }

  @Test("random numbers follow the batch, rates follow the update and the plateau")
  func stepValues() throws {
    let step = TrainingStep(
      model: Sequential([Dropout(0.1), Dense(2, activation: .softmax)]), sampleShape: [3],
      loss: CategoricalCrossentropy(),
      optimizer: SGD(learningRate: .step(initialLearningRate: 1, factor: 0.5, every: 2)))
    let values = try step.build(batchSize: 2).stepValues
    var plateau = ReduceOnPlateau(patience: 1)
    for loss in [1.0, 1.0] { plateau.observe(loss) }
    let position = StepPosition(update: 2, batch: 9, seed: 7, plateau: plateau)
    #expect(values("randomKey", at: position) == .key(seed: 7, counter: 9))
    #expect(values.learningRate(at: position) == 0.05)
  }
}

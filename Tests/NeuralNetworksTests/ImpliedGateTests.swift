import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

/// A hinge loss of one's own on logits: max(0, 1 − (2z − 1)·x).
private struct Hinge: Loss {
  var name: String { "hinge" }
  var targets: Targets { .classes }
  var fromLogits: Bool { true }

  func callAsFunction(
    _ predictions: Predictions, _ targets: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let (one, two) = (try builder.scalar(1, .float32), try builder.scalar(2, .float32))
    let sign = try builder.append(Binary(.subtract), builder.append(Binary(.multiply), targets, two), one)
    let margin = try builder.append(Binary(.multiply), sign, predictions.values)
    let gap = try builder.append(Unary(.relu), builder.append(Binary(.subtract), one, margin))
    return try builder.append(Reduce(.mean, axes: [1]), gap)
  }
}

@Suite("The gate that a loss implies")
struct ImpliedGateTests {
  private func last(_ program: Program) -> String? {
    let output = program.output(named: "predictions")
    return program.calls.last { $0.outputs.contains(output) }?.name
  }

  /// The loss, the network's last activation, and what the outside is answered with.
  private static let cases: [(loss: any Loss, last: Dense, gate: String, doubts: Bool)] = [
    (CategoricalCrossentropy(), Dense(3, activation: .softmax), "softmax", false),
    (CategoricalCrossentropy(fromLogits: true), Dense(3), "softmax", false),
    (SparseCategoricalCrossentropy(fromLogits: true), Dense(3), "softmax", false),
    (CategoricalCrossentropy(fromLogits: true), Dense(3, activation: .softmax), "softmax", true),
    (CategoricalCrossentropy(), Dense(3), "add", true),
    (BinaryCrossentropy(), Dense(1, activation: .sigmoid), "sigmoid", false),
    (BinaryCrossentropy(), Dense(1, activation: .hardSigmoid), "hardSigmoid", false),
    (BinaryCrossentropy(fromLogits: true), Dense(1), "sigmoid", false),
    (BinaryCrossentropy(fromLogits: true), Dense(3), "sigmoid", false),
    (BinaryCrossentropy(fromLogits: true), Dense(1, activation: .sigmoid), "sigmoid", true),
    (BinaryCrossentropy(), Dense(1, activation: .softmax), "softmax", true),
    (Hinge(), Dense(1), "sigmoid", false),
    (MeanSquaredError(), Dense(3), "add", false),
  ]

  @Test("inference and evaluation answer behind it, training does not compute it", arguments: cases.indices)
  func answers(_ index: Int) throws {
    let (loss, dense, gate, doubts) = Self.cases[index]
    let step = Networks.small(dense, loss: loss)
    let inference = try step.inference(batchSize: 7)
    #expect(last(inference.program) == gate)
    #expect(last(try step.evaluation(batchSize: 7).program) == gate)
    #expect((step.doubt(of: inference) != nil) == doubts)
    if loss.fromLogits {
      let own = dense.activation == .linear ? 0 : 1
      func gates(_ program: Program) -> Int {
        program.calls.filter { ["softmax", "sigmoid"].contains($0.name) }.count
      }
      #expect(gates(try step.build(batchSize: 7).program) == own)
      #expect(gates(inference.program) == own + 1)
    }
  }

  @Test("the program on averages is the same over other states, of those weights that are trained")
  func averages() throws {
    let model = Sequential {
      Dense(5, activation: .tanh)
      Frozen()
      Dense(3, activation: .softmax)
    }
    let step = TrainingStep(
      model: model, sampleShape: [4], loss: CategoricalCrossentropy(), optimizer: SGD(), averageMomentum: 0.9)
    let inference = try step.inference(batchSize: 1)
    #expect(
      inference.onAverages.names(.state)
        == inference.program.names(.state).map { $0.hasSuffix("scale") ? $0 : "ema/" + $0 })
    let states = Set(try step.build(batchSize: 1).states.map(\.name))
    #expect(states.isSuperset(of: inference.onAverages.names(.state)))
  }
}

/// A factor that no optimizer changes.
private struct Frozen: UnaryLayer {
  var kind: String { "frozen" }

  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let scale = try context.parameter(
      "scale", [input.shape.extents.last!], initializer: .constant(2), isTrainable: false)
    return try context.append(Binary(.multiply), input, scale)
  }
}

import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Testing

@Suite("Training step")
struct TrainingStepTests {
  @Test("the seed CNN has 93,322 weights in ten parameters")
  func parameterCount() throws {
    let training = try Networks.seedStep.build(batchSize: 64)
    #expect(training.trainableCount == 93_322)
    #expect(
      training.parameters.map { "\($0.name) \($0.type)" } == [
        "layers.0.conv2d/kernel f32[3,3,1,32]", "layers.0.conv2d/bias f32[32]",
        "layers.2.conv2d/kernel f32[3,3,32,64]", "layers.2.conv2d/bias f32[64]",
        "layers.4.conv2d/kernel f32[3,3,64,64]", "layers.4.conv2d/bias f32[64]",
        "layers.6.dense/kernel f32[576,64]", "layers.6.dense/bias f32[64]",
        "layers.7.dense/kernel f32[64,10]", "layers.7.dense/bias f32[10]",
      ])
    #expect(training.states.count == 20)
  }

  @Test("no gradient is computed for the images")
  func noImageGradient() throws {
    let program = try Networks.seedStep.build(batchSize: 64).program
    #expect(program.counts["conv2d/backwardInput"] == 2)
    #expect(program.counts["conv2d/backwardFilter"] == 3)
    #expect(!program.calls.contains { $0.label == "layers.0.conv2d/backwardInput" })
  }

  @Test("every layer with weights shows its gate with δ on both sides, and which gate it reads from")
  func gates() throws {
    let gates = try Networks.seedStep.build(batchSize: 64).gates
    #expect(gates.map(\.path) == [0, 2, 4, 6, 7].map { "layers.\($0).\($0 < 6 ? "conv2d" : "dense")" })
    #expect(gates.map(\.function) == ["relu", "relu", "relu", "relu", "softmax"])
    #expect(gates.map(\.sources) == [[], [0], [1], [2], [3]])
    for gate in gates { #expect(gate.preActivationGradient?.shape == gate.preActivation.shape) }
    for gate in gates.dropLast() {
      #expect(gate.outputGradient?.shape == gate.output.shape)
      #expect(gate.outputGradient != gate.preActivationGradient)
    }
  }

  @Test("gates of a graph read from those before a join, and one gate at another's value from that one")
  func gatesOfGraph() throws {
    let model = Graph {
      Dense(4, activation: .tanh, name: "stem").reading("images")
      Residual {
        Dense(4, activation: .relu, name: "inner"); Dense(4, name: "last")
      }
      Activation(.sigmoid, name: "gate")
      Dense(2, name: "side").reading("table")
      Concatenate().reading("gate", "side")
      Dense(3, activation: .softmax, name: "answer")
    }
    let step = TrainingStep(
      model: model, inputs: [ModelInput("images", .float32([4])), ModelInput("table", .float32([2]))],
      objectives: [Objective(loss: CategoricalCrossentropy())], optimizer: SGD())
    let gates = try step.build(batchSize: 5).gates
    let names = gates.map { $0.path.split(separator: ".").last ?? "" }
    #expect(names == ["stem", "inner", "last", "gate", "side", "answer"])
    #expect(
      gates.map { $0.sources.map { names[$0] } }
        == [[], ["stem"], ["inner"], ["stem", "last"], [], ["gate", "side"]])
    let points = try step.build(batchSize: 5).trace.points
    let places = points.map { $0.path.split(separator: ".").last ?? "" }
    #expect(
      places == [
        "stem", "stem", "inner", "inner", "last", "residual", "gate", "side", "concatenate", "answer", "answer",
      ])
    #expect(
      points.map(\.part) == [
        .weights, .gate, .weights, .gate, .weights, .join, .gate, .weights, .join, .weights, .gate,
      ])
    #expect(points.map(\.sources) == [[], [0], [1], [2], [3], [1, 4], [5], [], [6, 7], [8], [9]])
    #expect(points.dropLast().allSatisfy { $0.gradient?.shape == $0.value.shape } && points[10].gradient == nil)
  }

  @Test("pooling, dropout and normalizations are points of their own")
  func wayPoints() throws {
    let model = Sequential([
      Conv2D(4, kernelSize: 3), BatchNormalization(), Activation(.relu), MaxPooling2D(2), Dropout(0.5),
      GlobalAveragePooling2D(), Dense(3, activation: .softmax),
    ])
    let step = TrainingStep(
      model: model, sampleShape: [12, 12, 1], loss: CategoricalCrossentropy(), optimizer: SGD())
    let points = try step.build(batchSize: 5).trace.points
    #expect(
      points.map(\.part) == [.weights, .normalization, .gate, .pooling, .dropout, .pooling, .weights, .gate])
    #expect(points.map(\.sources) == [[], [0], [1], [2], [3], [4], [5], [6]])
    #expect(points[3].path == "layers.3.maxPooling2d" && points[3].gradient?.shape == [5, 5, 5, 4])
  }

  @Test("probes stand behind what they read and change nothing else")
  func probes() throws {
    let bare = try Networks.seedStep.build(batchSize: 64).program
    let probed = try Networks.seedStep.build(batchSize: 64) { builder, trace throws(ProgramError) in
      for gate in trace.gates {
        guard let delta = gate.preActivationGradient else { continue }
        builder.output("probes/\(gate.path)/delta", try builder.append(Statistics(), delta))
      }
      for parameter in trace.parameters {
        let name = parameter.parameter.name
        builder.output("probes/\(name)/update", try builder.append(Statistics(), parameter.update))
        builder.output("probes/\(name)", try builder.append(Statistics(), parameter.parameter.value))
      }
    }.program
    #expect(probed.counts["statistics"] == 25)
    #expect(probed.calls.filter { !($0.operation is Statistics) } == bare.calls)
    // Weights are read before the update: first of all. Everything else follows its producer.
    #expect(probed.calls.prefix(10).allSatisfy { $0.operation is Statistics })
    for (index, call) in probed.calls.enumerated().dropFirst(10) where call.operation is Statistics {
      #expect(probed.calls[index - 1].outputs.contains(call.inputs[0]))
    }
    #expect(try Program(text: probed.description) == probed)
  }

  @Test("a smaller last batch is the same step with the same states")
  func lastBatch() throws {
    let full = try Networks.seedStep.build(batchSize: 64)
    let last = try Networks.seedStep.build(batchSize: 32)
    #expect(full.states == last.states)
    #expect(last.program.values[last.program.value(named: "images")!].type == .float32([32, 28, 28, 1]))
  }

  @Test("a frozen weight gets no gradient, and an unused one is named")
  func trainability() throws {
    struct Part: UnaryLayer {
      let isTrainable: Bool
      var kind: String { "part" }
      func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
        _ = try context.parameter("unused", [3], initializer: .zeros, isTrainable: isTrainable)
        return input
      }
    }
    func step(_ isTrainable: Bool) -> TrainingStep {
      TrainingStep(
        model: Sequential([Part(isTrainable: isTrainable), Dense(2, activation: .softmax)]), sampleShape: [3],
        loss: CategoricalCrossentropy(), optimizer: SGD())
    }
    let frozen = try step(false).build(batchSize: 2)
    #expect(frozen.parameters.count == 3 && frozen.trace.parameters.count == 2)
    #expect(frozen.trainableCount == 8)
    #expect(
      errorText { _ = try step(true).build(batchSize: 2) }.contains(
        "the loss does not depend on layers.0.part/unused"))
  }

  @Test("bad sizes of a step are errors")
  func sizes() {
    #expect(errorText { _ = try Networks.seedStep.build(batchSize: 0) }.contains("has no element"))
    var step = Networks.small()
    step.accumulationSteps = 0
    #expect(errorText { _ = try step.build(batchSize: 1) }.contains("accumulationSteps must be at least 1"))
    step = Networks.small()
    step.averageMomentum = 1
    #expect(errorText { _ = try step.build(batchSize: 1) }.contains("averageMomentum"))
    step = TrainingStep(
      model: Sequential([Flatten()]), sampleShape: [3], loss: MeanSquaredError(), optimizer: SGD())
    #expect(errorText { _ = try step.build(batchSize: 1) }.contains("no weights to train"))
  }
}

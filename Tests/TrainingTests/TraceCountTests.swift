import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import Testing

/// How often a network was traced.
private final class Traces: Sendable {
  nonisolated(unsafe) var count = 0
}

/// Changes nothing, and counts.
private struct Counting: UnaryLayer {
  let traces: Traces
  var kind: String { "counting" }

  func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    traces.count += 1
    return input
  }
}

@Suite struct TraceCountTests {
  private let traces = Traces()

  private func loop(_ text: String = smallRun, _ overrides: [String] = []) throws -> TrainingLoop {
    var configuration = try Configuration(text: text, file: "test.yaml", overrides: overrides)
    configuration.model.nodes.insert(GraphNode(Counting(traces: traces)), at: 0)
    return try TrainingLoop(
      configuration, data: madeParts(), registry: BackendRegistry(linked: [ReferenceBackend()], folders: []),
      host: try HostServices(workers: 2))
  }

  @Test(
    "a run traces its network once for each of its programs: the step, with probes, evaluation, prediction, last batch")
  func onceAProgram() throws {
    let loop = try loop()
    #expect(traces.count == 4)
    try loop.begin()
    #expect(loop.session.layers.map(\.path).first == "layers.0.counting")
    #expect(traces.count == 4)
    try loop.advance()
    _ = try loop.conclude()
    #expect(traces.count == 5)
    _ = try loop.trainedModel()
    #expect(traces.count == 5)
  }

  @Test("the trace that tells the outputs' shapes is that of the prediction, until the step reads something else")
  func shapes() throws {
    var step = TrainingStep(
      model: Sequential([Counting(traces: traces), Dense(3)]), sampleShape: [4], loss: CategoricalCrossentropy(),
      optimizer: SGD())
    #expect(try step.outputShapes() == [[3]])
    let program = try step.inference(batchSize: 1).program
    #expect(traces.count == 1)
    let built = try InferenceProgram.build(step.model, inputs: step.inputs, batchSize: 1, objectives: step.objectives)
    #expect(program == built.program)
    step.inputs = [ModelInput("images", .float32([5]))]
    let other = try step.inference(batchSize: 1).program
    #expect(other.values(.input).map { other.values[$0].type.shape.extents } == [[1, 5]])
    #expect(traces.count == 3)
  }

  @Test("backend: auto measures the program that is trained")
  func auto() throws {
    let measured = smallRun.replacing(
      "{name: reference}", with: "{name: auto, candidates: [reference], tuning_seconds: 0.1}")
    _ = try loop(measured)
    #expect(traces.count == 4)
  }

  @Test("accumulation is one program beside a step with and without probes, and averages are evaluated by the same")
  func accumulation() throws {
    let loop = try loop(
      smallRun, ["training.optimizer.gradient_accumulation_steps=2", "training.optimizer.ema_momentum=0.9"])
    #expect(traces.count == 5)
    _ = try loop.run()
    // The last batch of an epoch is smaller, and an update of its own.
    #expect(traces.count == 6)
  }
}

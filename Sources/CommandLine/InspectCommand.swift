import ArgumentParser
import Switchback

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Prints a configuration's layers, who runs its training step, and what it costs.",
    discussion: """
      Data files are not needed for data sets known by name. Examples:

        switchback inspect configs/mnist-cnn.yaml
        switchback inspect configs/mnist-cnn.yaml --operations  (every operation, its backend and its cost)
        switchback inspect configs/mnist-cnn.yaml --backend reference --json
        switchback inspect configs/mnist-cnn.yaml --program     (the program text, which parses back)
      """)

  @OptionGroup var experiment: ExperimentOptions

  @Flag(help: "Every operation of the training step too.")
  var operations = false

  @Flag(help: "The program text after the passes, and nothing else.")
  var program = false

  @Flag(help: "One JSON object on standard output.")
  var json = false

  private struct Inspection: Encodable {
    struct Operation: Encodable {
      var label: String
      /// `f32[64,26,26,32]`, of the first result.
      var type: String
      var flops: Int
      /// Read and written if every operand moved once.
      var bytes: Int
      var backend: String
      var segment: Int
    }
    struct Memory: Encodable {
      var planned: Int
      var arena: Int
      var unsharedArena: Int
      var states: Int
      var transferredPerStep: Int
    }
    var layers: [LayerSummary]
    var operations: [Operation]
    var parameters: Int
    var flops: Int
    var bytes: Int
    var segments: Int
    var transfersPerStep: Int
    var memory: Memory

    init(_ session: TrainingSession, _ plan: ExecutionPlan) throws {
      layers = try session.step.layers(batchSize: session.batchSize)
      operations = plan.program.calls.enumerated().map { index, call in
        let cost = plan.program.cost(of: call)
        let type = call.outputs.compactMap { $0 }.first.map { plan.program.values[$0].type.description } ?? ""
        return Operation(
          label: call.label, type: type, flops: cost.flops, bytes: cost.bytes,
          backend: plan.backends[plan.placements[index].link], segment: plan.segmentOfCall[index])
      }
      let cost = plan.program.cost
      (parameters, flops, bytes) = (session.parameterCount, cost.flops, cost.bytes)
      (segments, transfersPerStep) = (plan.segmentCount, plan.transfers.count)
      memory = Memory(
        planned: plan.memory.planned, arena: plan.memory.arena, unsharedArena: plan.memory.naive,
        states: plan.memory.states, transferredPerStep: plan.memory.transferred)
    }
  }

  func run() throws {
    try reportingErrors {
      let configuration = try experiment.configuration()
      let session = try inspectedSession(configuration)
      let plan = try session.plan
      if program {
        Terminal.write(plan.program.description, terminator: "")
        return
      }
      let inspection = try Inspection(session, plan)
      if json { Terminal.write(Terminal.json(inspection)) } else { show(inspection, plan.summary) }
    }
  }

  private func show(_ inspection: Inspection, _ summary: String) {
    var layers = TextTable(["layer", "output", "parameters"], rightAligned: [2])
    for layer in inspection.layers {
      layers.add([layer.path, "\(layer.outputShape)", "\(layer.parameterCount)"])
    }
    Terminal.write(layers.text)
    if operations {
      var table = TextTable(
        ["", "operation", "result", "MFLOP", "moved", "backend", "segment"], rightAligned: [0, 3, 4, 6])
      for (index, operation) in inspection.operations.enumerated() {
        table.add([
          "\(index)", operation.label, operation.type, megaflops(operation.flops), ExecutionPlan.bytes(operation.bytes),
          operation.backend, "\(operation.segment)",
        ])
      }
      Terminal.write("\n" + table.text)
    }
    Terminal.write("\n\(inspection.parameters) parameters · \(summary)")
    Terminal.write(
      "\(megaflops(inspection.flops)) MFLOP and \(ExecutionPlan.bytes(inspection.bytes)) moved a step · "
        + "arena \(ExecutionPlan.bytes(inspection.memory.arena)) "
        + "(unshared \(ExecutionPlan.bytes(inspection.memory.unsharedArena))) · "
        + "states \(ExecutionPlan.bytes(inspection.memory.states))")
  }

  private func megaflops(_ flops: Int) -> String { "\(Double(flops / 100_000) / 10)" }
}

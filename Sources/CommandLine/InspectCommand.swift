import ArgumentParser
import Foundation
import Switchback

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Prints a configuration's layers, who runs its training step, and what it costs.",
    discussion: flowing(
      """
      Data files are not needed for data sets known by name. Examples:

        switchback inspect configs/mnist-cnn.yaml
        # every operation, its backend and its cost:
        switchback inspect configs/mnist-cnn.yaml --operations
        # how its backend fuses and divides each operation:
        switchback inspect configs/mnist-cnn.yaml --explain
        switchback inspect configs/mnist-cnn.yaml --backend reference --json
        # the program as text, which can be read back:
        switchback inspect configs/mnist-cnn.yaml --program
        # a drawing of the network:
        switchback inspect configs/resnet20-fashion.yaml --svg resnet20.svg
      """))

  @OptionGroup var experiment: ExperimentOptions

  @Flag(help: "Also every operation of the training step.")
  var operations = false

  @Flag(help: "What each backend made of the operations: which it fused, and how it divided them.")
  var explain = false

  @Flag(help: "The program text after the passes, and nothing else.")
  var program = false

  @Option(help: "Draws the network into this file, which must not exist.")
  var svg: String?

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
      /// What the backend made of it, in its own words: `matmul · 16 tiles of 104×256`.
      var group: String
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
    /// Operations that simpler ones can compute, and who computes them.
    var composites: [Composite]
    var parameters: Int
    var flops: Int
    var bytes: Int
    var segments: Int
    var transfersPerStep: Int
    var memory: Memory

    init(_ session: TrainingSession, _ plan: ExecutionPlan) throws {
      layers = session.layers
      let (segmentOfCall, groupOfCall) = (plan.segmentOfCall, plan.groupOfCall)
      operations = plan.program.calls.enumerated().map { index, call in
        let cost = plan.program.cost(of: call)
        let type = call.outputs.compactMap { $0 }.first.map { plan.program.values[$0].type.description } ?? ""
        return Operation(
          label: call.label, type: type, flops: cost.flops, bytes: cost.bytes,
          backend: plan.backends[plan.placements[index].link], segment: segmentOfCall[index],
          group: groupOfCall[index])
      }
      composites = plan.composites
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
      if let svg { try draw(session.layers, svg) }
      if program {
        Terminal.write(plan.program.description, terminator: "")
        return
      }
      let inspection = try Inspection(session, plan)
      if json { Terminal.write(Terminal.json(inspection)) } else { show(inspection, plan.summary) }
    }
  }

  private func show(_ inspection: Inspection, _ summary: String) {
    let reads = Self.reads(inspection.layers)
    var layers = TextTable(["layer", "output", "parameters"] + (reads.isEmpty ? [] : ["reads"]), rightAligned: [2])
    for (index, layer) in inspection.layers.enumerated() {
      layers.add(
        [layer.path, "\(layer.outputShape)", "\(layer.parameterCount)"] + (reads.isEmpty ? [] : [reads[index]]))
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
    if explain {
      var table = TextTable(["", "operation", "result", "as"], rightAligned: [0])
      for (index, operation) in inspection.operations.enumerated() {
        table.add(["\(index)", operation.label, operation.type, operation.group])
      }
      Terminal.write("\n" + table.text)
      if !inspection.composites.isEmpty { Terminal.write("") }
      for composite in inspection.composites { Terminal.write(composite.words) }
    }
    Terminal.write("\n\(inspection.parameters) parameters · \(summary)")
    Terminal.write(
      "\(megaflops(inspection.flops)) MFLOP and \(ExecutionPlan.bytes(inspection.bytes)) moved a step · "
        + "arena \(ExecutionPlan.bytes(inspection.memory.arena)) "
        + "(unshared \(ExecutionPlan.bytes(inspection.memory.unsharedArena))) · "
        + "states \(ExecutionPlan.bytes(inspection.memory.states))")
  }

  /// What each layer reads, where it is not the one above alone; empty where every layer reads the one above.
  private static func reads(_ layers: [LayerSummary]) -> [String] {
    var above: String?
    var reads: [String] = []
    for layer in layers {
      let isPlain = layer.inputs.isEmpty || layer.inputs == [above ?? layer.inputs[0]]
      reads.append(isPlain ? "" : layer.inputs.map { relative($0, to: layer.path) }.joined(separator: ", "))
      if !layer.inputs.isEmpty { above = layer.path }
    }
    return reads.allSatisfy(\.isEmpty) ? [] : reads
  }

  /// Without what both paths begin with: `3.conv2d` in the same list.
  private static func relative(_ path: String, to reader: String) -> String {
    let (parts, others) = (path.split(separator: "."), reader.split(separator: "."))
    // A layer may be called by points alone.
    guard !parts.isEmpty else { return path }
    let shared = zip(parts, others).prefix { $0 == $1 }.count
    // A list's number stays with its word.
    let first = shared > 0 && shared < parts.count && parts[shared].allSatisfy(\.isNumber) ? shared - 1 : shared
    return parts[min(first, parts.count - 1)...].joined(separator: ".")
  }

  private func draw(_ layers: [LayerSummary], _ file: String) throws {
    guard !FileManager.default.fileExists(atPath: file) else {
      throw fail("\(file) is there already; name another file", ExitStatus.cannotWrite)
    }
    try AtomicFile.write(NetworkDrawing(layers).file, to: file)
  }

  private func megaflops(_ flops: Int) -> String { "\(Double(flops / 100_000) / 10)" }
}

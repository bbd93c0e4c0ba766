import ArgumentParser
import Switchback

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Prints the training step of a configuration: every operation, who runs it, and what it costs.",
    discussion: """
      Examples:

        switchback inspect configs/mnist-cnn.yaml
        switchback inspect configs/mnist-cnn.yaml --backend reference
        switchback inspect configs/mnist-cnn.yaml --program     (the program text, which parses back)
      """)

  @OptionGroup var experiment: ExperimentOptions

  @Flag(help: "The program text after the passes, and nothing else.")
  var program = false

  func run() throws {
    try reportingErrors {
      let configuration = try experiment.configuration()
      let data = try configuration.data.source.open()
      let loop = try TrainingLoop(
        configuration, data: data, registry: makeRegistry(),
        host: try makeHost(threads: configuration.backend.threads), reference: ReferenceBackend())
      let plan = try loop.session.plan
      if program {
        Terminal.write(plan.program.description, terminator: "")
        return
      }
      for (index, call) in plan.program.calls.enumerated() {
        let type = call.outputs.compactMap { $0 }.first.map { plan.program.values[$0].type.description } ?? ""
        let cost = plan.program.cost(of: call)
        Terminal.write(
          [
            column("\(index)", 4), column(call.label, 46), column(type, 22),
            column("\(Double(cost.flops / 100_000) / 10) MFLOP", 14), column(ExecutionPlan.bytes(cost.bytes), 10),
            "\(plan.backends[plan.placements[index].link]) segment \(plan.segmentOfCall[index])",
          ].joined(separator: " "))
      }
      let cost = plan.program.cost
      Terminal.write("")
      Terminal.write("\(loop.session.parameterCount) parameters · \(plan.summary)")
      Terminal.write(
        "\(Double(cost.flops / 100_000) / 10) MFLOP and \(ExecutionPlan.bytes(cost.bytes)) moved a step · "
          + "arena \(ExecutionPlan.bytes(plan.memory.arena)) (unshared \(ExecutionPlan.bytes(plan.memory.naive))) · "
          + "states \(ExecutionPlan.bytes(plan.memory.states))")
    }
  }

  private func column(_ text: String, _ width: Int) -> String {
    text.count >= width ? text : text + String(repeating: " ", count: width - text.count)
  }
}

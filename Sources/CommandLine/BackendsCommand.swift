import ArgumentParser
import Foundation
import Switchback

struct BackendsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backends", abstract: "Lists the backends of this machine, and why others cannot be used.",
    discussion: """
      Examples:

        switchback backends
        switchback backends --json
        switchback backends --explain configs/mnist-cnn.yaml                 (who runs which operation, and why)
        switchback backends --explain configs/mnist-cnn.yaml --backend ./libSwitchbackyours.so
      """)

  @Option(help: "A configuration: says for every operation of its training step who runs it, and who declined and why.")
  var explain: String?

  @Option(help: "The backend, instead of the configuration's.")
  var backend: String?

  @Option(name: .customLong("set"), help: "Sets one key of the configuration; repeatable.")
  var overrides: [String] = []

  @Flag(help: "One JSON array on standard output.")
  var json = false

  private struct Row: Encodable {
    var name: String
    var available: Bool
    var reason: String?
    var devices: [Device]

    struct Device: Encodable {
      var name: String
      var kind: String
      var driver: String
    }
  }

  func run() throws {
    if let explain {
      try reportingErrors {
        try Explanation(explain, overrides + (backend.map { ["backend.name=\($0)"] } ?? [])).show(json)
      }
      return
    }
    let rows = makeRegistry().listings().map { listing in
      Row(
        name: listing.name, available: listing.isAvailable, reason: listing.reason,
        devices: listing.devices.map { Row.Device(name: $0.name, kind: $0.kind, driver: $0.driver) })
    }
    if json {
      Terminal.write(Terminal.json(rows))
      return
    }
    for row in rows {
      Terminal.write("\(row.available ? "✓" : "✗") \(row.name)\(row.reason.map { "  \($0)" } ?? "")")
      for (index, device) in row.devices.enumerated() {
        let words = ["\(index): \(device.name)", device.kind, device.driver].filter { !$0.isEmpty }
        Terminal.write("    \(words.joined(separator: " · "))")
      }
    }
  }
}

/// Who runs every operation of a training step, and why.
private struct Explanation: Encodable {
  struct Operation: Encodable {
    var label: String
    var type: String
    var backend: String
    var segment: Int
    /// What its time is counted with.
    var group: String
    /// The backends before it in the chain, with their reasons.
    var declined: [String: String]
  }

  var operations: [Operation]
  var transfers: [ExecutionPlan.Transfer]
  var summary: String

  init(_ file: String, _ overrides: [String]) throws {
    guard FileManager.default.isReadableFile(atPath: file) else {
      throw fail("there is no configuration \(file)", ExitStatus.missingFile)
    }
    let configuration = try Configuration(file: file, overrides: overrides)
    let plan = try inspectedSession(configuration).plan
    let (segments, groups) = (plan.segmentOfCall, plan.groupOfCall)
    operations = plan.program.calls.enumerated().map { index, call in
      Operation(
        label: call.label,
        type: call.outputs.compactMap { $0 }.first.map { plan.program.values[$0].type.description } ?? "",
        backend: plan.backends[plan.placements[index].link], segment: segments[index], group: groups[index],
        declined: plan.placements[index].declined)
    }
    (transfers, summary) = (plan.transfers, plan.summary)
  }

  func show(_ isJSON: Bool) {
    if isJSON {
      Terminal.write(Terminal.json(self))
      return
    }
    var table = TextTable(["operation", "result", "backend", "segment", "group", "declined by"], rightAligned: [3])
    for operation in operations {
      let reasons = operation.declined.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
      table.add([
        operation.label, operation.type, operation.backend, "\(operation.segment)", operation.group,
        reasons.joined(separator: "; "),
      ])
    }
    Terminal.write(table.text + "\n")
    for transfer in transfers {
      Terminal.write(
        "\(transfer.value): \(ExecutionPlan.bytes(transfer.bytes)) from \(transfer.from) to \(transfer.to)")
    }
    Terminal.write(summary)
  }
}

/// A configuration's session for whoever only looks at its plan; no data is read where its shapes are known.
func inspectedSession(_ configuration: Configuration) throws -> TrainingSession {
  let samples = try configuration.data.source.samples()
  return try TrainingSession(
    step: configuration.trainingStep(sampleShape: samples.shape, targets: samples.targets),
    batchSize: configuration.training.batchSize, seed: configuration.training.seed,
    on: try BackendChain(
      configuration.backendNames, registry: makeRegistry(configuration.backend.search),
      options: configuration.backend.options, host: try makeHost(threads: configuration.backend.threads)),
    probeInterval: configuration.monitor.isEnabled ? configuration.monitor.probeInterval : nil)
}

import ArgumentParser
import Foundation
import Switchback

struct BackendsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "backends", abstract: "Lists the backends of this machine, and why others cannot be used.",
    discussion: flowing(
      """
      Examples:

        switchback backends
        switchback backends --json
        # who runs which operation, and why:
        switchback backends --explain configs/mnist-cnn.yaml
        # a line for each operation:
        switchback backends --explain configs/mnist-cnn.yaml --operations
        switchback backends --explain configs/mnist-cnn.yaml --backend ./yours.so
        # measured, with times:
        switchback backends --explain configs/mixed-kernels.yaml --backend auto
        # tries it in a process of its own:
        switchback backends check ./yours.so
      """),
    subcommands: [BackendsCheckCommand.self, BackendsOperationsCommand.self])

  @Option(
    help:
      "A configuration: says for every operation of its training step which backend runs it, and which declined it and why.",
    completion: .file(extensions: ["yaml"]))
  var explain: String?

  @Option(help: "The backend, instead of the configuration's.", completion: .list(backendWords))
  var backend: String?

  @Option(name: .customLong("set"), help: "Sets one key of the configuration; repeatable.")
  var overrides: [String] = []

  @Flag(
    help: "With --explain: a line for every operation; otherwise operations with one backend and reason share a line.")
  var operations = false

  @Flag(help: "One JSON array on standard output.")
  var json = false

  /// Only the library of this name, in this process: what a child is asked.
  @Option(help: .hidden)
  var only: String?

  private struct Row: Codable {
    var name: String
    var available: Bool
    var reason: String?
    var devices: [Device]

    struct Device: Codable {
      var name: String
      var kind: String
      var driver: String
    }

    init(_ listing: BackendListing) {
      (name, available, reason) = (listing.name, listing.isAvailable, listing.reason)
      devices = listing.devices.map { Device(name: $0.name, kind: $0.kind, driver: $0.driver) }
    }

    /// Of a library that ended the process that was to list it.
    init(name: String, fault: String) {
      (self.name, available, reason, devices) = (name, false, fault, [])
    }
  }

  /// A library's row, from a process of its own: loading one may crash, hang or end the process.
  private static func row(of library: (name: String, file: String)) throws -> Row {
    let child = try ChildProcess(["backends", "--only", library.name], limit: 60)
    if child.ending == .exited(0), let row = try? JSONDecoder().decode(Row.self, from: Data(child.output.utf8)) {
      return row
    }
    let fault =
      child.ending.fault ?? "it ended the process that loaded it; switchback backends check \(library.file) says more"
    return Row(name: library.name, fault: fault)
  }

  func run() throws {
    if let explain {
      try reportingErrors {
        let explain = try configurationFile(explain)
        try Explanation(explain, (backend.map { backendOverrides($0, over: explain) } ?? []) + overrides).show(
          json, operations)
      }
      return
    }
    let registry = makeRegistry()
    if let only {
      Terminal.keepOutputFromLibraries()
      guard let library = registry.libraries.first(where: { $0.name == only }) else { throw ExitStatus.noBackend }
      Terminal.write(Terminal.json(Row(registry.listing(of: library))))
      return
    }
    var rows = registry.linkedListings.map { Row($0) }
    try reportingErrors { rows += try registry.libraries.map { try Self.row(of: $0) } }
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
    /// With `auto`: what it took on each backend that may run it, with what else is in `comparedWith`.
    var microseconds: [String: Double]?
    var comparedWith: [String]?
    /// With `auto`: the backends that took it and were wrong.
    var refused: [String: String]?
  }

  var operations: [Operation]
  var routing: Routing?
  var transfers: [ExecutionPlan.Transfer]
  var summary: String

  init(_ file: String, _ overrides: [String]) throws {
    let configuration = try Configuration(file: file, overrides: overrides)
    let session = try inspectedSession(configuration)
    let plan = try session.plan
    routing = session.chain.routing
    let keys = plan.operationKeys
    let (segments, groups) = (plan.segmentOfCall, plan.groupOfCall)
    let routing = routing
    operations = plan.program.calls.enumerated().map { index, call in
      let comparison = routing?.comparisons.first { $0.operations.contains(keys[index]) }
      let refusals = routing?.refusals.filter { $0.operation == keys[index] }.map { ($0.backend, $0.reason) } ?? []
      return Operation(
        label: call.label,
        type: call.outputs.compactMap { $0 }.first.map { plan.program.values[$0].type.description } ?? "",
        backend: plan.backends[plan.placements[index].link], segment: segments[index], group: groups[index],
        declined: plan.placements[index].declined, microseconds: comparison?.microseconds,
        comparedWith: comparison?.operations,
        refused: refusals.isEmpty ? nil : Dictionary(refusals) { $1 })
    }
    (transfers, summary) = (plan.transfers, plan.summary)
  }

  func show(_ isJSON: Bool, _ showsOperations: Bool) {
    if isJSON {
      Terminal.write(Terminal.json(self))
      return
    }
    Terminal.write((showsOperations ? table : groups).text + "\n")
    for transfer in transfers where showsOperations {
      Terminal.write(
        "\(transfer.value): \(ExecutionPlan.bytes(transfer.bytes)) from \(transfer.from) to \(transfer.to)")
    }
    if let routing { Self.show(routing) }
    Terminal.write(summary)
  }

  /// A line for all operations that one backend runs for one reason.
  private var groups: TextTable {
    var labels: [[String]: [String]] = [:]
    for operation in operations { labels[[operation.backend, why(operation)], default: []].append(operation.label) }
    var table = TextTable(
      ["operations", "backend", routing == nil ? "declined by" : "why", "such as"], rightAligned: [0])
    for (group, labels) in labels.sorted(by: {
      ($1.value.count, $0.key[0], $0.key[1]) < ($0.value.count, $1.key[0], $1.key[1])
    }) {
      table.add(["\(labels.count)", group[0], group[1], labels.prefix(2).joined(separator: ", ")])
    }
    return table
  }

  private func why(_ operation: Operation) -> String {
    let reasons = [operation.declined, operation.refused ?? [:]].flatMap { reasons in
      reasons.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    }
    return ((Self.times(operation).map { [$0] } ?? []) + reasons).joined(separator: "; ")
  }

  private var table: TextTable {
    var table = TextTable(
      ["operation", "result", "backend", "segment", "group", routing == nil ? "declined by" : "why"], rightAligned: [3])
    for operation in operations {
      table.add([
        operation.label, operation.type, operation.backend, "\(operation.segment)", operation.group, why(operation),
      ])
    }
    return table
  }

  /// `openblas 9.21 ms, fft 2.1 ms`, with how many operations were measured together.
  private static func times(_ operation: Operation) -> String? {
    guard let times = operation.microseconds, let together = operation.comparedWith else { return nil }
    let words = times.sorted { $0.value < $1.value }.map { "\($0.key) \(milliseconds($0.value))" }
    return words.joined(separator: ", ") + (together.count > 1 ? " (\(together.count) operations together)" : "")
  }

  private static func milliseconds(_ microseconds: Double) -> String {
    String(format: microseconds < 999_500 ? "%.3g ms" : "%.0f ms", microseconds / 1000)
  }

  private static func show(_ routing: Routing) {
    for (name, reason) in routing.leftOut.sorted(by: { $0.key < $1.key }) {
      Terminal.write("left out: \(name): \(reason)")
    }
    for trial in routing.trials.sorted(by: { $0.microseconds < $1.microseconds }) {
      Terminal.write("measured: \(milliseconds(trial.microseconds)) a step with \(trial.words)")
    }
    Terminal.write("auto: \(routing.verdict)")
  }
}

/// A configuration's session for whoever only looks at its plan; no data is read where its shapes are known.
func inspectedSession(_ configuration: Configuration) throws -> TrainingSession {
  try TrainingSession(
    configuration, on: try configuration.data.source.layout(),
    registry: makeRegistry(configuration.backend.search), host: try makeHost(threads: configuration.backend.threads),
    probeInterval: configuration.monitor.isEnabled ? configuration.monitor.probeInterval : nil, isOnlyPlanned: true,
    progress: showBackendProgress)
}

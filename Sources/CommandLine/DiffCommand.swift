import ArgumentParser
import Foundation
import Switchback
import SwitchbackCrashNote
import SwitchbackConformance

struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Runs the same training steps on two backends and names the first operation that is wrong.",
    discussion: """
      Each step starts on both from the first backend's weights. Then every operation of the first step (of the last
      one, where that shows nothing and results part) is judged by itself against the Float64 reference, and inside its
      segment against itself alone. Examples:

        switchback diff configs/mnist-cnn.yaml --backends reference,openblas
        switchback diff configs/mnist-cnn.yaml --backends openblas,./libSwitchbackyours.so --steps 50
        switchback diff configs/mixed-kernels.yaml --backends reference,auto

      Ends with 1 where an operation is wrong, or losses part by more than 1e-5 or gradients by more than 1e-2.
      """)

  @OptionGroup var experiment: ExperimentOptions

  @Option(help: "Two backends, with a comma between.")
  var backends: String

  @Option(help: "Training steps to compare.")
  var steps = 10

  @Option(help: "The file for the program of the first wrong operation.", completion: .file())
  var replay = "diff.program"

  @Flag(help: "JSON Lines on standard output: a step each, then the faults.")
  var json = false

  private struct Fault: Encodable {
    var backend: String
    var operation: String
    /// The operation's name in the catalogue.
    var kind: String
    var form: String
    var error: Double
    var message: String
  }

  func run() throws {
    switchback_report_crashes()
    try reportingErrors {
      let names = backends.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
      guard names.count == 2, steps > 0 else {
        throw fail("--backends takes two names, such as reference,openblas, and --steps at least 1", ExitCode(64))
      }
      let configuration = try experiment.configuration()
      try fetchIfMissing(configuration.data.source)
      let data = try configuration.data.source.open()
      let host = try makeHost(threads: configuration.backend.threads)
      let registry = makeRegistry(configuration.backend.search)
      let (train, settings) = (data.train, configuration.training)
      let step = configuration.trainingStep(sampleShape: train.sampleShape, targets: train.targets)
      // Whoever compares wants to see everything that a backend can take.
      let options = optionsThatTakeAll.merging(configuration.backend.options) { taken, given in
        taken.merging(given) { $1 }
      }
      // What one of them declines runs on the reference, whose numbers are those it is compared with.
      let chains = try names.map { name in
        var settings = configuration
        settings.backend.name = name
        settings.backend.fallback = ["reference"]
        settings.backend.options = options
        return try settings.backendChain(for: step, registry: registry, host: host, progress: showBackendProgress)
      }
      let comparison = try StepComparison(
        step, batchSize: settings.batchSize, seed: settings.seed, on: chains[0], and: chains[1])
      let order = BatchOrder(
        count: train.count, batchSize: settings.batchSize, seed: Int64(settings.seed), epoch: 1, dropsLast: true)
      guard order.batchCount > 0 else {
        throw fail("there is no whole batch of \(settings.batchSize)", ExitStatus.badData)
      }
      let (program, values) = try comparison.operands(train, order.batch(0))
      // Of `auto` the backends that it chose.
      let judged = zip(names, chains).flatMap { name, chain in
        chain.routing.map { Set($0.choices.values).sorted() } ?? [name]
      }
      var seen: Set<String> = ["reference"]
      let suspects = judged.filter { seen.insert($0).inserted }
      // Before whole steps: of an operation that crashes alone, the name is known.
      var faults = try self.faults(1, program, values, suspects, registry, options, host)
      var rows: [StepComparison.Row] = []
      var last = (program, values)
      for index in 0..<steps {
        if index == steps - 1 { last = try comparison.operands(train, order.batch(index % order.batchCount)) }
        let row = try comparison.advance(train, order.batch(index % order.batchCount))
        rows.append(row)
        if json { Terminal.write(Terminal.json(row)) }
      }
      let isApart = rows.contains { !($0.lossDifference <= 1e-5) || !($0.gradientDifference <= 1e-2) }
      // In the first step biases and slots are zero, which hides whoever forgets them.
      if faults.isEmpty, isApart { faults = try self.faults(steps, last.0, last.1, suspects, registry, options, host) }
      try say(rows, faults, names)
      if isApart || !faults.isEmpty { throw ExitStatus.failure }
      if !json { Terminal.write("\(names[0]) and \(names[1]) agree") }
    }
  }

  /// Every operation of a step's program on each of the backends against the reference.
  private func faults(
    _ step: Int, _ program: Program, _ values: [String: [Double]], _ names: [String], _ registry: BackendRegistry,
    _ options: [String: [String: String]], _ host: HostServices
  ) throws -> [CallFault] {
    let reference = try BackendChain(["reference"], registry: registry, host: host)
    return try names.flatMap { name in
      let candidate = try BackendChain([name], registry: registry, options: options, host: host)
      let lockstep = try Lockstep(program, values, on: candidate, reference: reference)
      if !json {
        Terminal.write(
          "\(name), step \(step): \(lockstep.checkedCount) operations checked, \(lockstep.declined.count) declined, "
            + "\(lockstep.faults.count) wrong, \(lockstep.faults.isEmpty ? "worst error" : "the others within") "
            + "\(String(format: "%.3f", lockstep.worst)) of \(lockstep.faults.isEmpty ? "its bound" : "their bounds")")
      }
      return lockstep.faults
    }
  }

  private func say(_ rows: [StepComparison.Row], _ faults: [CallFault], _ names: [String]) throws {
    if json {
      for fault in faults {
        Terminal.write(
          Terminal.json(
            Fault(
              backend: fault.backend, operation: fault.label, kind: fault.operation, form: fault.form.rawValue,
              error: fault.error,
              message: "\(fault)")))
      }
    } else {
      let gradients = rows.map(\.gradientDifference).sorted()
      let worst = rows.max { $0.gradientDifference < $1.gradientDifference }
      Terminal.write(
        "\(rows.count) steps of \(names[0]) and \(names[1]), each from the same weights: losses apart by at most "
          + "\(rows.map(\.lossDifference).max()?.shortText ?? "") (relative)")
      Terminal.write(
        "gradients apart (relative L2): median \(gradients[gradients.count / 2].shortText), at most "
          + "\(gradients.last?.shortText ?? "") (\(worst?.parameter ?? "") in step \(worst?.step ?? 0)), "
          + "no more than 1e-4 in \(gradients.filter { $0 <= 1e-4 }.count) of \(rows.count) steps")
    }
    guard let first = faults.first else { return }
    // Of one suspect the word that was given: a path, perhaps.
    let suspects = names.filter { $0 != "reference" }
    let suspect = suspects.count == 1 ? suspects[0] : nil
    Terminal.write("first wrong operation: \(first)", to: json ? .standardError : .standardOutput)
    try AtomicFile.write("\(first.replay)", to: replay)
    Terminal.write(
      "again: switchback conformance --backend \(suspect ?? first.backend) --program \(replay)",
      to: json ? .standardError : .standardOutput)
  }
}

extension Double {
  fileprivate var shortText: String { String(format: "%.1e", self) }
}

import ArgumentParser
import Foundation
import Switchback
import SwitchbackConformance
import SwitchbackCrashNote

struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Runs the same training steps on two backends and names the first operation that is wrong.",
    discussion: flowing(
      """
      Each step starts on both from the first backend's weights. Then every operation of the first step (of the last
      one, where that shows nothing and results part) is judged by itself against the Float64 reference, and inside its
      segment against itself alone. The same is done with a batch of one less, and with three workers. What a backend
      declines runs on the configuration's fallback. Examples:

        switchback diff configs/mnist-cnn.yaml --backends reference,openblas
        switchback diff configs/mnist-cnn.yaml --backends openblas,./libSwitchbackyours.so --steps 50
        switchback diff configs/mnist-cnn.yaml --backends reference,./libSwitchbackyours.so \\
          --set 'backend.fallback=[openblas, reference]'
        switchback diff configs/mixed-kernels.yaml --backends reference,auto

      Where every operation is right and the step is not, it tries what heals the step: fresh executables, segments of one
      operation, one worker. "again:" is a command that shows what is wrong first.

      Ends with 1 where an operation is wrong, or the median of the gradients' differences (relative L2) is above 2e-6 and
      above ten times what rounding explains: the difference of the reference in Float32 and in Float64, in the first
      three steps. So it does where one step's losses part by more than 1e-5, or its gradients by more than 1e-2 and more
      than ten times what rounding explains. A parameter's gradient counts as at least 1e-6 of that of all.
      """))

  @OptionGroup var experiment: ExperimentOptions

  @Option(
    name: .customLong("backends"), help: "Two backends, with a comma between: what is right, and what is compared.")
  var listed: [String] = []

  @Option(help: "Training steps to compare; of another batch and other workers at most three.")
  var steps = 10

  @Flag(help: "Only the configured batch and workers.")
  var asConfigured = false

  @Option(help: "The file for the program of the first wrong operation.", completion: .file())
  var replay = "diff.program"

  @Flag(
    help:
      "JSON Lines on standard output: a step each, then the faults and the verdict, and those of the other settings.")
  var json = false

  func run() throws {
    switchback_report_crashes()
    try reportingErrors {
      // As the other commands have it: --backend a,b.
      var experiment = experiment
      let names = backendNames(listed.isEmpty ? [experiment.settings.backend ?? ""] : listed)
      if listed.isEmpty { experiment.settings.backend = nil }
      guard names.count == 2, steps > 0 else {
        throw fail("--backends takes two names, such as reference,openblas, and --steps at least 1", ExitCode(64))
      }
      let subject = try DiffSubject(try experiment.configuration(), names)
      let report = DiffReport(isJSON: json, replay: replay, names: names)
      let configured = try DiffSetting(
        subject, batchSize: subject.configuration.training.batchSize,
        host: makeHost(threads: subject.configuration.backend.threads))
      let verdict = try configured.judge(steps: steps, asked: report.say, stepped: report.say)
      var obstacles = report.obstacles(verdict)
      report.say(verdict)
      try report.end(verdict, configured, "as configured", explains: true)
      for (words, batchSize, workers) in asConfigured ? [] : others(configured) {
        let setting = try DiffSetting(
          subject, batchSize: batchSize, host: workers.map { try makeHost(workers: $0) } ?? configured.host,
          replaying: configured.chains.map(\.routing))
        let other = try setting.judge(steps: min(steps, DiffSetting.roundingSteps))
        report.say(other, words)
        // One cause is enough: another setting most likely shows the same.
        try report.end(other, setting, words, explains: obstacles.isEmpty)
        obstacles += report.obstacles(other).map { "\(words): \($0)" }
      }
      report.sayEnd(obstacles)
      if !obstacles.isEmpty { throw ExitStatus.failure }
    }
  }

  /// A batch of one less, since blocks of kernels hide what a rest shows; three workers, since two share evenly.
  private func others(_ configured: DiffSetting) -> [(words: String, batchSize: Int, workers: Int?)] {
    var others: [(String, Int, Int?)] = []
    let batchSize = configured.batchSize
    if batchSize > 1 { others.append(("a batch of \(batchSize - 1)", batchSize - 1, nil)) }
    if configured.host.workers != 3 { others.append(("3 workers", batchSize, 3)) }
    return others
  }
}

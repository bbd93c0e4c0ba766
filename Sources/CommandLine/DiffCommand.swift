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
      Each step starts on both backends with the first one's weights. Then every operation of the first step is compared
      with the Float64 reference by itself, and its result within its segment with its result alone; where that shows
      nothing and the steps still differ, the same is done for the last step. All of it is repeated with one sample less
      in the batch, and with three workers. What a backend declines runs on the configuration's fallback. Examples:

        switchback diff configs/mnist-cnn.yaml --backends reference,openblas
        switchback diff configs/mnist-cnn.yaml --backends openblas,./my.so --steps 50
        switchback diff configs/mnist-cnn.yaml --backends reference,./my.so \\
          --set 'backend.fallback=[openblas, reference]'
        switchback diff configs/mixed-kernels.yaml --backends reference,auto

      Where every operation is right and the step is wrong, it tries what makes the step right: fresh executables,
      segments of one operation, one worker. The command after "again:" shows what is wrong first.

      Ends with 1 where an operation is wrong, or where the results differ too much. Rounding explains as much as the
      reference in Float32 differs from it in Float64, in the first three steps. Too much is a median of the gradients'
      differences (relative L2) above 2e-6 and above ten times what rounding explains; in a single step, losses that
      differ by more than 1e-5, or gradients by more than 1e-2 and more than ten times what rounding explains. The norm
      of a parameter's gradient counts as at least 1e-6 of that of all gradients.
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
      var wrong: [(setting: String, obstacle: String)] = []
      if let obstacle = report.obstacle(verdict) { wrong.append(("", obstacle)) }
      report.say(verdict)
      try report.end(verdict, configured, "as configured", explains: true)
      for (words, batchSize, workers) in asConfigured ? [] : others(configured) {
        let setting = try DiffSetting(
          subject, batchSize: batchSize, host: workers.map { try makeHost(workers: $0) } ?? configured.host,
          replaying: configured.chains.map(\.routing))
        let other = try setting.judge(steps: min(steps, DiffSetting.roundingSteps))
        report.say(other, words)
        // One cause is enough: another setting most likely shows the same.
        try report.end(other, setting, words, explains: wrong.isEmpty)
        if let obstacle = report.obstacle(other) { wrong.append((words, obstacle)) }
      }
      report.sayEnd(wrong)
      if !wrong.isEmpty { throw ExitStatus.failure }
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

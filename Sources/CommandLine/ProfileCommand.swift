import ArgumentParser
import Foundation
import Switchback
import SwitchbackCrashNote

struct ProfileCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "profile", abstract: "Says where the time of a configuration's training steps goes.",
    discussion: flowing(
      """
      Runs training steps without probes and shows time, GFLOP/s and the share of the roof, by layer or by group of
      operations. A group is one operation, or several that a backend runs as one, under the backend's own name. FLOPs
      are those that operations state (of a convolution those of the direct sum), so a kernel that needs fewer may pass
      100 %. The roof is measured beside the steps: multiply-adds in registers, with the workers and the widest
      instruction set that the CPU backends use here. Devices with memory of their own have no roof here. Nothing is
      written but the trace. Examples:

        switchback profile configs/mnist-cnn.yaml
        switchback profile configs/mnist-cnn.yaml --by operation --steps 500
        switchback profile configs/mnist-cnn.yaml --backend opencl --json
        # for chrome://tracing or ui.perfetto.dev:
        switchback profile configs/mnist-mlp.yaml --trace steps.json
      """))

  enum Grouping: String, ExpressibleByArgument, CaseIterable { case layer, operation }

  @OptionGroup var experiment: ExperimentOptions

  @Option(
    help:
      "Steps to measure, after those that warm up. Without it \(ProfiledSteps.usualSteps), or as many as \(Int(ProfiledSteps.usualSeconds)) seconds hold."
  )
  var steps: Int?

  @Option(help: "What a row of the table is: a layer, or a group of operations.")
  var by = Grouping.layer

  @Option(
    help:
      "The file for a trace of the first \(ChromeTrace.stepLimit) steps, one event a group; it must not exist. Backends say how long a group takes, not when: groups are laid end to end.",
    completion: .file())
  var trace: String?

  @Flag(help: "One JSON object on standard output, with layers and operations.")
  var json = false

  func validate() throws {
    if let steps, steps < 1 { throw ValidationError("--steps is at least 1, not \(steps)") }
  }

  func run() throws {
    switchback_report_crashes()
    try reportingErrors {
      let configuration = try experiment.configuration()
      if let trace, FileManager.default.fileExists(atPath: trace) {
        throw fail("\(trace) is there already; name another file", ExitStatus.cannotWrite)
      }
      try fetchIfMissing(configuration.data.source)
      let data = try configuration.data.source.open(configuration.data.request)
      let host = try makeHost(threads: configuration.backend.threads)
      let session = try TrainingSession(
        configuration, on: data.train.layout, registry: makeRegistry(configuration.backend.search), host: host,
        probeInterval: nil, isProfiled: true, progress: showBackendProgress)
      if let source = configuration.initialWeights { try session.load(InitialWeights(source)) }
      // Once before and once after: on a shared machine a single moment says little.
      let before = ArithmeticRoof.measured(on: host)
      let measured = try ProfiledSteps(
        session, data.train, of: configuration, steps: steps, tracedSteps: trace == nil ? 0 : ChromeTrace.stepLimit)
      let after = ArithmeticRoof.measured(on: host)
      let report = try ProfileReport(
        configuration, session, measured, plan: try session.plan,
        roof: before.gigaflops > after.gigaflops ? before : after)
      // What was measured is shown whatever else can be written.
      if json { Terminal.write(Terminal.json(report)) } else { report.show(by) }
      if let trace {
        try AtomicFile.write(ChromeTrace(measured, name: configuration.name).text, to: trace)
        let count = min(measured.traced.count, ChromeTrace.stepLimit)
        Terminal.write(
          "wrote \(trace), a trace of \(count == 1 ? "1 step" : "\(count) steps"): open it on https://ui.perfetto.dev or in "
            + "chrome://tracing", to: json ? .standardError : .standardOutput)
      }
    }
  }
}

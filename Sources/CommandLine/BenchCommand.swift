import ArgumentParser
import Foundation
import Switchback
import SwitchbackCrashNote

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Compares the speed of backends on a configuration.",
    discussion: flowing(
      """
      Backends take turns in one process, with the same data, initial weights and workers. In every round each backend
      trains for --seconds, then predicts whole batches and then single samples, for a quarter of --seconds each. The
      ratio compares speeds round by round: above 1 is faster than the first backend. Three steps check first that all
      compute the same, each from the same weights: where a loss differs from the first backend's by more than 1e-5
      (relative), the command ends with 1, and switchback diff finds out why. A backend that fails has a row that says
      so, and the others go on; the command then ends with 1 too. Batches are read between the steps. Examples:

        switchback bench configs/mnist-cnn.yaml
        switchback bench configs/mnist-cnn.yaml --backend openblas,opencl --rounds 9
        switchback bench configs/mixed-kernels.yaml --backend fft,auto --json
        switchback bench configs/mnist-mlp.yaml --backend ./yours.so,openblas

      Without --backend it compares the configuration's backend and those of this machine that run one of its
      operations; the slow reference takes part only where it is named.
      """))

  @Argument(help: "The configuration, such as configs/mnist-cnn.yaml.", completion: .file(extensions: ["yaml"]))
  var config: String

  @Option(
    name: .customLong("backend"),
    help: "A backend, by its name or the path of a library; repeatable, or several with commas between.",
    completion: .list(backendWords))
  var named: [String] = []

  /// As diff has it.
  @Option(name: .customLong("backends"), help: .hidden)
  var listed: [String] = []

  private var backends: [String] { backendNames(named + listed) }

  @Option(help: "Rounds, in each of which every backend has its turn.")
  var rounds = 5

  @Option(help: "Seconds of training in a turn.")
  var seconds = 2.0

  @Option(help: "Worker threads; 0: one a core.")
  var threads: Int?

  @Option(help: "The seed of weights, order and dropout.")
  var seed: Int?

  @Option(help: "The folder that holds the data set's files; of csv and time-series the file.", completion: .file())
  var data: String?

  @Option(name: .customLong("set"), help: "Sets one key, such as training.batch_size=32; repeatable.")
  var overrides: [String] = []

  @Flag(help: "One JSON object on standard output.")
  var json = false

  /// Steps in which losses are compared.
  private static let checkedSteps = 3

  func validate() throws {
    if rounds < 1 { throw ValidationError("--rounds is at least 1, not \(rounds)") }
    if !(seconds > 0 && seconds <= 3600) {
      throw ValidationError("--seconds is more than 0 and at most an hour (3600), not \(seconds)")
    }
  }

  func run() throws {
    switchback_report_crashes()
    try reportingErrors {
      let configuration = try configuration(of: nil)
      try fetchIfMissing(configuration.data.source)
      let train = try configuration.data.source.open(configuration.data.request).train
      let host = try makeHost(threads: configuration.backend.threads)
      var turns = try contenders(configuration, train, host)
      try turns.run(rounds: rounds, seconds: seconds, checkedSteps: Self.checkedSteps)
      let report = try BenchReport(
        configuration, turns, workers: host.workers, seconds: seconds, checkedSteps: Self.checkedSteps)
      if json { Terminal.write(Terminal.json(report)) } else { report.show() }
      var status: ExitCode?
      if let wrong = report.backends.first(where: { $0.agrees == false }) {
        status = fail(
          "the losses of \(wrong.name) are apart from those of \(report.base): its speed is that of something else. "
            + "switchback diff \(config) --backends \(report.base),\(wrong.name) says more", ExitStatus.failure)
      }
      for backend in report.backends {
        if let reason = backend.failure { status = fail("\(backend.name) failed: \(reason)", ExitStatus.failure) }
      }
      if let status { throw status }
    }
  }

  private func configuration(of backend: String?) throws -> Configuration {
    let file = try configurationFile(config)
    let own = backend.map { backendOverrides($0, over: file) } ?? []
    return try Configuration(
      file: file, overrides: overrides + own + commonOverrides(threads: threads, seed: seed, data: data))
  }

  /// The backends that were named, or those that this machine has for the configuration; what is left out is said.
  private func contenders(
    _ configuration: Configuration, _ train: any Dataset, _ host: HostServices
  ) throws -> BenchTurns {
    let registry = makeRegistry(configuration.backend.search)
    func contender(_ settings: Configuration) throws -> BackendSpeed {
      try BackendSpeed(settings, train, registry: registry, host: host, progress: showBackendProgress)
    }
    var turns = BenchTurns()
    guard backends.isEmpty else {
      for name in backends {
        let settings = try self.configuration(of: name)
        try turns.add(settings.backend.name) { try contender(settings) }
      }
      for idle in try turns.contenders.filter({ try $0.speed?.takesPart == false }) {
        Terminal.write(
          "warning: \(idle.name) runs no operation of it: measured is what stands behind it", to: .standardError)
      }
      return turns
    }
    try turns.add(configuration.backend.name) { try contender(configuration) }
    for name in registry.names where name != configuration.backend.name && name != "reference" {
      do {
        let another = try contender(try self.configuration(of: name))
        if try another.takesPart {
          try turns.add(name) { another }
        } else {
          Terminal.write("left out: \(name): it runs no operation of this step", to: .standardError)
        }
      } catch let error as BackendError {
        Terminal.write("left out: \(name): \(error.message)", to: .standardError)
      } catch let error as ExecutionError {
        Terminal.write("left out: \(name): \(error.message)", to: .standardError)
      }
    }
    return turns
  }
}

import ArgumentParser
import Switchback

struct ConfigCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Says everything that is wrong with a configuration.",
    discussion: flowing(
      """
      Finds what train would find before its first step: data that is on this machine is opened (nothing is fetched),
      the network is built on it, and its backends are looked for. Nothing is written. Ends with 78 where something is
      wrong.

      Examples:

        switchback config check configs/mnist-cnn.yaml --set training.epochs=2
        switchback config check my.yaml --backend fft  # with fft's options
        switchback config check my.yaml --json         # an array of problems
      """))

  @OptionGroup var experiment: ExperimentOptions
  @OptionGroup var folder: RunsFolderOption

  @Flag(help: "One JSON array of problems on standard output: file, line, column, message.")
  var json = false

  func run() throws {
    try reportingErrors {
      do {
        let configuration = try experiment.configuration(also: folder.overrides)
        let check = ConfigurationCheck(
          configuration, registry: makeRegistry(configuration.backend.search), host: try makeHost(threads: 1))
        for warning in check.warnings { Terminal.write("warning: \(warning)", to: .standardError) }
        guard check.problems.isEmpty else { throw ConfigurationError(problems: check.problems) }
        Terminal.write(json ? "[]" : "\(experiment.config) is valid")
      } catch let error as ConfigurationError where json {
        Terminal.write(Terminal.json(error.problems))
        throw ExitStatus.badConfiguration
      }
    }
  }
}

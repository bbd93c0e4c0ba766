import ArgumentParser
import Switchback

struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Checks a configuration, or shows it with every default written out.",
    subcommands: [Check.self, Show.self])

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Says everything that is wrong with a configuration.",
      discussion: "Example: switchback config check configs/mnist-cnn.yaml --set training.epochs=2")
    @OptionGroup var experiment: ExperimentOptions

    func run() throws {
      try reportingErrors {
        _ = try experiment.configuration()
        Terminal.write("\(experiment.config) is valid")
      }
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints the configuration with every default written out.",
      discussion: "Example: switchback config show configs/mnist-cnn.yaml")
    @OptionGroup var experiment: ExperimentOptions

    func run() throws {
      try reportingErrors { Terminal.write(try experiment.configuration().resolvedText, terminator: "") }
    }
  }
}

import ArgumentParser
import Foundation
import Switchback

struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Starts, checks, shows and describes configurations.",
    discussion: """
      Examples:

        switchback config init my.yaml
        switchback config check my.yaml
        switchback config schema > switchback.schema.json
      """, subcommands: [Init.self, Check.self, Show.self, Schema.self])

  struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Writes a configuration to start from, with comments.",
      discussion: """
        Examples:

          switchback config init                          (prints it)
          switchback config init my.yaml --dataset mnist
        """)

    @Argument(help: "The file to write; without it the configuration is printed.")
    var file: String?

    @Option(help: "A data set known by name (see switchback data).")
    var dataset = "fashion-mnist"

    @Flag(help: "Replaces the file if it is there.")
    var force = false

    func run() throws {
      try reportingErrors {
        let dataset = try NamedDataset.named(dataset)
        let text = StarterConfiguration.text(for: dataset)
        guard let file else {
          Terminal.write(text, terminator: "")
          return
        }
        guard force || !FileManager.default.fileExists(atPath: file) else {
          throw fail("\(file) is there already; --force replaces it", ExitStatus.cannotWrite)
        }
        do {
          try Data(text.utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
        } catch {
          throw fail("\(file) cannot be written: \(error.localizedDescription)", ExitStatus.cannotWrite)
        }
        Terminal.write("wrote \(file); next: switchback train \(file)")
      }
    }
  }

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Says everything that is wrong with a configuration.",
      discussion: """
        Examples:

          switchback config check configs/mnist-cnn.yaml --set training.epochs=2
          switchback config check my.yaml --json          (an array of problems; empty where it is valid)
        """)
    @OptionGroup var experiment: ExperimentOptions

    @Flag(help: "One JSON array of problems on standard output: file, line, column, message.")
    var json = false

    func run() throws {
      try reportingErrors {
        do {
          let backend = try experiment.configuration().backend
          Terminal.write(json ? "[]" : "\(experiment.config) is valid")
          // Another machine may have it.
          let registry = makeRegistry(backend.search)
          for name in [backend.name] + backend.fallback where name != "auto" {
            do throws(BackendError) {
              _ = try registry.backend(named: name)
            } catch {
              Terminal.write("warning: not on this machine: \(error.message)", to: .standardError)
            }
          }
        } catch let error as ConfigurationError where json {
          Terminal.write(Terminal.json(error.problems))
          throw ExitStatus.badConfiguration
        }
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

  struct Schema: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints the JSON Schema of configurations, by which editors complete and check.",
      discussion: """
        Example: switchback config schema > switchback.schema.json, and as the first line of a configuration
        # yaml-language-server: $schema=switchback.schema.json
        """)

    func run() throws { Terminal.write(Configuration.schema, terminator: "") }
  }
}

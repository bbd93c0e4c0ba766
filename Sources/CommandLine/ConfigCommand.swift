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
        switchback config keys training.optimizer
        switchback config schema > switchback.schema.json
      """, subcommands: [Init.self, Check.self, Show.self, ConfigKeysCommand.self, Schema.self])

  struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Writes a configuration to start from, with comments.",
      discussion: """
        Examples:

          switchback config init                          (prints it)
          switchback config init my.yaml --dataset mnist
          switchback config init my.yaml --dataset image-folder --path photos   (looks at size, color and classes)
          switchback config init my.yaml --dataset csv --path table.csv --label kind

        What it takes for what without being told is said on standard error, with what to change where it is wrong.
        """)

    @Argument(
      help: "The file to write; without it the configuration is printed.", completion: .file(extensions: ["yaml"]))
    var file: String?

    @Option(
      help: "A data set known by name (see switchback data), or image-folder or csv: what --path names.",
      completion: .list(NamedDataset.all.map(\.name) + ["image-folder", "csv"]))
    var dataset = "fashion-mnist"

    @Option(help: "The folder of images by class, or the table, that the configuration is to fit.", completion: .file())
    var path: String?

    @Option(help: "The table's column that is to be learnt; without it a guess by the names.")
    var label: String?

    @Flag(help: "Replaces the file if it is there.")
    var force = false

    func validate() throws {
      let isOwn = ["image-folder", "csv"].contains(dataset)
      if isOwn, path == nil { throw ValidationError("--dataset \(dataset) needs --path: what is to be looked at") }
      if !isOwn, path != nil { throw ValidationError("--path goes with --dataset image-folder or csv") }
      if dataset != "csv", label != nil { throw ValidationError("--label goes with --dataset csv") }
    }

    private func starter() throws -> StarterConfiguration {
      switch (dataset, path) {
      case ("image-folder", let path?):
        let survey = try ImageFolderSurvey(path)
        for note in survey.notes { Terminal.write("warning: \(note)", to: .standardError) }
        return try StarterConfiguration(for: survey)
      case ("csv", let path?): return try StarterConfiguration(for: CSVSurvey(path), label: label)
      default: return StarterConfiguration(for: try NamedDataset.named(dataset))
      }
    }

    func run() throws {
      try reportingErrors {
        let starter = try starter()
        let guesses = starter.guesses.map { "guess: \($0)" }
        guard let file else {
          Terminal.write(starter.text, terminator: "")
          Terminal.say(guesses)
          return
        }
        guard force || !FileManager.default.fileExists(atPath: file) else {
          throw fail("\(file) is there already; --force replaces it", ExitStatus.cannotWrite)
        }
        try AtomicFile.write(starter.text, to: file)
        Terminal.say(guesses)
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
          switchback config check my.yaml --backend fft   (with fft's options)
          switchback config check my.yaml --json          (an array of problems; empty where it is valid)
        """)
    @OptionGroup var experiment: ExperimentOptions

    @Flag(help: "One JSON array of problems on standard output: file, line, column, message.")
    var json = false

    func run() throws {
      try reportingErrors {
        do {
          let configuration = try experiment.configuration()
          let problems =
            try faults(of: configuration.backend).map { .init(file: experiment.config, message: $0) }
            + faults(ofNetworkIn: configuration)
          guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
          Terminal.write(json ? "[]" : "\(experiment.config) is valid")
        } catch let error as ConfigurationError where json {
          Terminal.write(Terminal.json(error.problems))
          throw ExitStatus.badConfiguration
        }
      }
    }

    /// Options that a backend does not know; a backend that is not here is a warning, since another machine may have it.
    private func faults(of backend: Configuration.Backend) throws -> [String] {
      let (registry, host) = (makeRegistry(backend.search), try makeHost(threads: 1))
      let names = Set([backend.name] + backend.fallback + backend.options.keys).subtracting(["auto"]).sorted()
      return names.compactMap { name in
        do throws(BackendError) {
          _ = try BackendChain([name], registry: registry, options: backend.options, host: host)
        } catch {
          if error.kind == .invalid { return error.message }
          Terminal.write("warning: not on this machine: \(error.message)", to: .standardError)
        }
        return nil
      }
    }

    /// What does not fit the data, and layers that do not fit together; of a table nobody knows what comes in before the
    /// whole of it is read.
    private func faults(ofNetworkIn configuration: Configuration) -> [ConfigurationError.Problem] {
      if case .csv = configuration.data.source { return [] }
      guard let layout = try? configuration.data.source.layout() else { return [] }
      let step: TrainingStep
      do throws(ConfigurationError) {
        step = try configuration.trainingStep(on: layout)
      } catch {
        return error.problems
      }
      do throws(ProgramError) {
        let inference = try step.inference(batchSize: 1)
        // Whatever the first step would refuse.
        _ = try step.build(batchSize: configuration.training.batchSize)
        if let doubt = step.doubt(of: inference) { Terminal.write("warning: \(doubt)", to: .standardError) }
      } catch {
        return [.init(file: experiment.config, message: "the network does not fit together: \(error)")]
      }
      return []
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints the configuration with every default written out.",
      discussion: """
        Examples:

          switchback config show configs/mnist-cnn.yaml
          switchback config show configs/resnet20-fashion.yaml --expanded
        """)
    @OptionGroup var experiment: ExperimentOptions
    @Flag(help: "Writes the layers of blocks in place of their uses.") var expanded = false

    func run() throws {
      try reportingErrors {
        Terminal.write(try experiment.configuration(expandsBlocks: expanded).resolvedText, terminator: "")
      }
    }
  }

  struct Schema: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints the JSON Schema of configurations, by which editors complete and check.",
      discussion: """
        Example, and the first line of a configuration that goes by it:

          switchback config schema > switchback.schema.json
          # yaml-language-server: $schema=switchback.schema.json
        """)

    func run() throws { Terminal.write(Configuration.schema, terminator: "") }
  }
}

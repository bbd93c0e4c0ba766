import ArgumentParser
import Foundation
import Switchback

struct ConfigCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Starts, checks, shows and describes configurations.",
    discussion: flowing(
      """
      Examples:

        switchback config init my.yaml
        switchback config check my.yaml
        switchback config keys training.optimizer
        switchback config schema > switchback.schema.json
      """), subcommands: [Init.self, ConfigCheckCommand.self, Show.self, ConfigKeysCommand.self, Schema.self])

  struct Init: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Writes a configuration to start from, with comments.",
      discussion: flowing(
        """
        Examples:

          # prints it:
          switchback config init
          switchback config init my.yaml --dataset mnist
          # looks at size, color and classes:
          switchback config init my.yaml --dataset image-folder --path photos
          # looks at words, length and classes:
          switchback config init my.yaml --dataset text-folder --path reviews
          switchback config init my.yaml --dataset csv --path table.csv --label kind
          # a row a step:
          switchback config init my.yaml --dataset time-series --path load.csv

        Each guess is said on standard error, with what to change where it is wrong.
        """))

    @Argument(
      help: "The file to write; without it the configuration is printed.", completion: .file(extensions: ["yaml"]))
    var file: String?

    @Option(
      help:
        "A data set known by name (see switchback data), or what --path names: image-folder, text-folder, csv, time-series.",
      completion: .list(NamedDataset.all.map(\.name) + Init.own))
    var dataset = "fashion-mnist"

    @Option(
      help: "The folder of images or texts by class, or the table, that the configuration is made for.",
      completion: .file())
    var path: String?

    @Option(help: "The table's column that is to be learnt; without it a guess by the names.")
    var label: String?

    @Flag(help: "Replaces the file if it is there.")
    var force = false

    /// What is looked at to fit it.
    private static let own = ["image-folder", TextFolder.word, "csv", TimeSeries.word]
    private static let tables = ["csv", TimeSeries.word]

    func validate() throws {
      let isOwn = Self.own.contains(dataset)
      guard isOwn || NamedDataset.all.contains(where: { $0.name == dataset }) else { return }
      if isOwn, path == nil { throw ValidationError("--dataset \(dataset) needs --path: what is to be looked at") }
      if !isOwn, path != nil { throw ValidationError("--path goes with --dataset \(Self.own.joined(separator: ", "))") }
      if !Self.tables.contains(dataset), label != nil {
        throw ValidationError("--label goes with --dataset \(Self.tables.joined(separator: ", "))")
      }
    }

    private func starter() throws -> StarterConfiguration {
      switch (dataset, path) {
      case ("image-folder", let path?):
        let survey = try ImageFolderSurvey(path)
        for note in survey.notes { Terminal.write("warning: \(note)", to: .standardError) }
        return try StarterConfiguration(for: survey)
      case (TextFolder.word, let path?):
        let survey = try TextFolderSurvey(path)
        for note in survey.notes { Terminal.write("warning: \(note)", to: .standardError) }
        return try StarterConfiguration(for: survey)
      case (TimeSeries.word, let path?): return try StarterConfiguration(forSeries: CSVSurvey(path), label: label)
      case ("csv", let path?): return try StarterConfiguration(for: CSVSurvey(path), label: label)
      default: return StarterConfiguration(for: try NamedDataset.found(dataset, besides: Self.own))
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

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints the configuration with every default written out.",
      discussion: flowing(
        """
        Examples:

          switchback config show configs/mnist-cnn.yaml
          switchback config show configs/resnet20-fashion.yaml --expanded
        """))
    @OptionGroup var experiment: ExperimentOptions
    @OptionGroup var folder: RunsFolderOption
    @Flag(help: "Writes the layers of blocks in place of their uses.") var expanded = false

    func run() throws {
      try reportingErrors {
        Terminal.write(
          try experiment.configuration(also: folder.overrides, expandsBlocks: expanded).resolvedText, terminator: "")
      }
    }
  }

  struct Schema: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Prints the JSON Schema of configurations, by which editors complete and check.",
      discussion: flowing(
        """
        Example, and the line that a configuration begins with so that editors find the schema:

          switchback config schema > switchback.schema.json
          # yaml-language-server: $schema=switchback.schema.json
        """))

    func run() throws { Terminal.write(Configuration.schema, terminator: "") }
  }
}

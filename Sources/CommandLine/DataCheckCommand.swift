import ArgumentParser
import Foundation
import Switchback

struct DataCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Looks at all of a configuration's data, counts it, and lists what is wrong.",
    discussion: flowing(
      """
      Every image of a folder is decoded, every row of a CSV file is read, and the files of a data set known by name are
      measured against what its makers published. Ends with 65 where something is wrong. Training checks less before its
      first step: as much as data.check in the configuration says.

      Examples:

        switchback data check configs/image-folder.yaml --data photos/
        switchback data check configs/csv.yaml --data table.csv --set data.label=kind
        switchback data check configs/mnist-cnn.yaml --json
      """))

  @Argument(help: "The configuration, such as configs/image-folder.yaml.", completion: .file(extensions: ["yaml"]))
  var config: String

  @Option(help: "The folder or file of the data, instead of the configuration's.", completion: .file())
  var data: String?

  @Option(name: .customLong("set"), help: "Sets one key, such as data.test_split=0.1; repeatable.")
  var overrides: [String] = []

  @Flag(help: "One JSON object on standard output.")
  var json = false

  func run() throws {
    try reportingErrors {
      let settings = overrides + (data.map { [textOverride("data.path", $0)] } ?? [])
      let check = try Configuration(file: configurationFile(config), overrides: settings).data.source.check()
      if json {
        Terminal.write(Terminal.json(check))
      } else {
        show(check)
      }
      if !check.isRight { throw ExitStatus.badData }
    }
  }

  private func show(_ check: DatasetCheck) {
    Terminal.write("\(check.isRight ? "✓" : "✗") \(check.source)  \(check.path)")
    if let contents = check.contents { Terminal.write("contents \(contents)") }
    if !check.parts.isEmpty { showCounts(check) }
    for warning in check.notes + check.warnings { Terminal.write("warning: \(warning)", to: .standardError) }
    for problem in check.problems { Terminal.write("✗ \(problem)", to: .standardError) }
    if !check.isRight {
      let count = check.problems.count
      Terminal.write(count == 1 ? "one thing is wrong" : "\(count) things are wrong", to: .standardError)
    }
  }

  private func showCounts(_ check: DatasetCheck) {
    var table = TextTable(["samples"] + check.parts.map(\.name.rawValue), rightAligned: Set(1...check.parts.count))
    table.add(["all"] + check.parts.map { "\($0.count)" })
    for (index, name) in check.classNames.enumerated() {
      table.add([name] + check.parts.map { index < $0.classCounts.count ? "\($0.classCounts[index])" : "" })
    }
    for target in check.targets ?? [] {
      for (index, name) in target.classNames.enumerated() {
        let counts = check.parts.map { $0.classCountsByTarget?[target.name] ?? [] }
        table.add(["\(target.name) \(name)"] + counts.map { index < $0.count ? "\($0[index])" : "" })
      }
    }
    Terminal.write(table.text)
  }
}

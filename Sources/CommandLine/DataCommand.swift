import ArgumentParser
import Switchback

struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data",
    abstract: "Lists, fetches, checks and exports the data sets known by name; checks your own data.",
    discussion: flowing(
      """
      Examples:

        # which are here, and where:
        switchback data
        switchback data list --data ~/datasets --json
        # into $SWITCHBACK_DATA/mnist or the cache:
        switchback data fetch mnist
        switchback data verify mnist --data ~/datasets
        # every image is decoded:
        switchback data check configs/image-folder.yaml --data photos/
        # pictures, and a table that names them:
        switchback data export mnist mnist-table
      """),
    subcommands: [
      DataListCommand.self, DataFetchCommand.self, DataVerifyCommand.self, DataCheckCommand.self,
      DataExportCommand.self,
    ],
    defaultSubcommand: DataListCommand.self)
}

struct DataListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Lists the data sets known by name, and where they were found.",
    discussion: flowing(
      """
      Examples:

        switchback data list
        switchback data list --data ~/datasets --json
      """))

  @Option(help: "The only folder to look into.", completion: .directory)
  var data: String?

  @Flag(help: "One JSON array on standard output.")
  var json = false

  private struct Row: Encodable {
    var name: String
    var found: Bool
    var folder: String?
    var classes: Int
    var files: [String]
  }

  func run() throws {
    let rows = NamedDataset.all.map { dataset in
      let folder = dataset.existingFolder(given: data)
      return Row(
        name: dataset.name, found: folder != nil, folder: folder, classes: dataset.classNames.count,
        files: dataset.files.map(\.name))
    }
    if json {
      Terminal.write(Terminal.json(rows))
    } else {
      for row in rows {
        Terminal.write(
          row.folder.map { "✓ \(row.name)  \($0)" } ?? "✗ \(row.name)  not here: switchback data fetch \(row.name)")
      }
    }
  }
}

struct DataFetchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fetch", abstract: "Fetches the files of a data set that are missing, and checks them.",
    discussion: flowing(
      """
      Files go where train looks for them: $SWITCHBACK_DATA/NAME or, where that is not set, the cache,
      ~/.cache/switchback/datasets/NAME. They come from the makers' servers, or from $SWITCHBACK_MIRROR/NAME/FILE. A download
      that was cut off goes on where it ended.

      Examples:

        switchback data fetch mnist
        switchback data fetch cifar-10 --into ~/datasets/cifar-10
        SWITCHBACK_MIRROR=http://server.lan/data switchback data fetch fashion-mnist
      """))

  @Argument(
    help: "The data set: \(NamedDataset.all.map(\.name).joined(separator: ", ")).",
    completion: .list(NamedDataset.all.map(\.name)))
  var name: String

  @Option(help: "The folder for the files, instead of $SWITCHBACK_DATA/NAME or the cache.", completion: .directory)
  var into: String?

  func run() throws {
    try reportingErrors {
      let folder = try NamedDataset.found(name).fetch(
        into: into, showsProgress: Terminal.Stream.standardError.isInteractive,
        say: { Terminal.write($0, to: .standardError) })
      Terminal.write("✓ \(name)  \(folder)")
    }
  }
}

struct DataVerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Checks sizes and checksums of a data set's files; names the data set that a wrong file is of.",
    discussion: flowing(
      """
      Ends with 65 where a file is not right.

      Examples:

        switchback data verify mnist
        switchback data verify mnist --data ~/datasets --json
      """))

  @Argument(
    help: "The data set: \(NamedDataset.all.map(\.name).joined(separator: ", ")).",
    completion: .list(NamedDataset.all.map(\.name)))
  var name: String

  @Option(help: "The folder that holds the files.")
  var data: String?

  @Flag(help: "One JSON object on standard output.")
  var json = false

  private struct Result: Encodable {
    var name: String
    var folder: String
    var isRight: Bool
    var files: [FileCheck]
  }

  func run() throws {
    try reportingErrors {
      let dataset = try NamedDataset.found(name)
      let folder = try dataset.folderToVerify(given: data)
      let checks = try dataset.verify(folder: folder)
      let isRight = checks.allSatisfy { $0.state == .right || $0.state == .sizeRight }
      if json {
        Terminal.write(Terminal.json(Result(name: name, folder: folder, isRight: isRight, files: checks)))
      } else {
        Terminal.write("\(isRight ? "✓" : "✗") \(name)  \(folder)")
        for check in checks { Terminal.write("  " + check.words) }
      }
      if !isRight { throw ExitStatus.badData }
    }
  }
}

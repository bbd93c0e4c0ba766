import ArgumentParser
import Foundation
import Switchback
import SwitchbackInterchange

struct DataExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Writes a data set of images as PNG files and a table of them.",
    discussion: flowing(
      """
      FOLDER/samples.csv has a row for each picture: its file (in FOLDER/train and FOLDER/test), its class, the mean of
      its pixels (0 to 1), and width and height of what is drawn on it. An interrupted export removes what it wrote;
      what a killed one left is removed by the next export into that folder. A folder with other files is refused. In a
      configuration:

        data: {dataset: csv, path: FOLDER/samples.csv, images: file,
               image_size: 28, channels: 1,
               label: {digit: classes, ink: values}, normalize: true}

      The rows are then split anew (data.test_split), whichever part of the data set they came from. To keep its own
      test part, export each part into a folder of its own (--part), train on the one and evaluate on the other
      (evaluate --data).

      Examples:

        switchback data export mnist mnist-table
        # the first 1000 training pictures:
        switchback data export mnist small --count 1000 --part train
        switchback data export cifar-10 pictures --data ~/datasets --json
      """))

  enum Part: String, ExpressibleByArgument, CaseIterable { case train, test }

  @Argument(
    help: "The data set: \(NamedDataset.all.map(\.name).joined(separator: ", ")).",
    completion: .list(NamedDataset.all.map(\.name)))
  var name: String

  @Argument(help: "The folder to write; it must not have files.", completion: .directory)
  var folder: String

  @Option(help: "The folder that holds the data set's files.", completion: .directory)
  var data: String?

  @Option(help: "Only so many pictures of each part, the first ones.")
  var count: Int?

  @Option(help: "Only this part; otherwise both.")
  var part: Part?

  @Flag(help: "One JSON object on standard output.")
  var json = false

  private struct Result: Encodable {
    var name: String
    var folder: String
    var table: String
    var columns: [String]
    var classes: [String]
    var samples: Int
  }

  func validate() throws {
    if let count, count < 1 { throw ValidationError("--count must be at least 1, not \(count)") }
  }

  func run() throws {
    try reportingErrors {
      // Before any of it is written.
      let table = try PictureTable(
        NamedDataset.found(name), folder: data,
        parts: part.flatMap { DatasetRecord.Part.Name(rawValue: $0.rawValue) }.map { [$0] } ?? [.train, .test],
        count: count)
      let path = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
      let target = try ExportFolder(path) { $0.wholeMatch(of: Self.names) != nil }
      if target.leftBehind > 0 {
        Terminal.write(
          "\(path) held an unfinished export: its \(target.leftBehind) files are removed", to: .standardError)
      }
      try write(table, to: target)
      if json {
        Terminal.write(
          Terminal.json(
            Result(
              name: name, folder: path, table: path + "/" + Self.table, columns: table.columns,
              classes: table.classNames,
              samples: table.entries.count)))
      } else {
        Terminal.write(
          "✓ \(name)  \(table.entries.count) pictures  \(path)/\(Self.table)  (\(table.columns.joined(separator: ", ")))"
        )
      }
    }
  }

  private static let table = "samples.csv"
  /// Of what an export writes before it is whole.
  private static var names: Regex<Substring> {
    /(?:train|test)\/(?:[0-9]+\.png)?|samples\.csv\.partial-[0-9]+/
  }

  private func write(_ table: PictureTable, to folder: ExportFolder) throws {
    _ = Interruption()
    let isLive = Terminal.Stream.standardError.isInteractive
    do {
      var text = table.columns.joined(separator: ",") + "\n"
      for (index, entry) in table.entries.enumerated() {
        if isLive, index % 500 == 0 { Terminal.draw("\(name): \(index) of \(table.entries.count) pictures") }
        let image = table.image(entry)
        try folder.write(Data(image.png), to: entry.file)
        text += table.row(entry, of: image) + "\n"
        if Interruption.isRequested { throw ExitCode(Interruption.status) }
      }
      if isLive { Terminal.draw("") }
      try folder.finish(text, to: Self.table)
    } catch {
      let count = folder.discard()
      let what = count == 1 ? "the picture that was written is" : "the \(count) pictures that were written are"
      Terminal.write("\(folder.path) is not whole: \(what) removed again", to: .standardError)
      throw error
    }
  }
}

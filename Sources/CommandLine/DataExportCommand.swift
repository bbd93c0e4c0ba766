import ArgumentParser
import Foundation
import Switchback
import SwitchbackInterchange

struct DataExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Writes a data set of images as PNG files and a table of them.",
    discussion: """
      FOLDER/samples.csv has a row for each picture: its file (in FOLDER/train and FOLDER/test), its class, the mean of its
      pixels (0 to 1), and width and height of what is drawn on it. It is written last, so that what was cut off has none.
      A folder that has files is refused. In a configuration:

        data: {dataset: csv, path: FOLDER/samples.csv, images: file, image_size: 28, channels: 1,
               label: {digit: classes, ink: values}, normalize: true}

      Examples:

        switchback data export mnist mnist-table
        switchback data export mnist small --count 1000 --part train   (the first 1000 training pictures)
        switchback data export cifar-10 pictures --data ~/datasets --json
      """)

  enum Part: String, ExpressibleByArgument, CaseIterable { case train, test }

  @Argument(
    help: "The data set: \(NamedDataset.all.map(\.name).joined(separator: ", ")).",
    completion: .list(NamedDataset.all.map(\.name)))
  var name: String

  @Argument(help: "The folder to write; it must not have files.", completion: .directory)
  var folder: String

  @Option(help: "The folder that holds the data set's files.", completion: .directory)
  var data: String?

  @Option(help: "So many pictures of each part, the first ones; otherwise all.")
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
        NamedDataset.named(name), folder: data,
        parts: part.flatMap { DatasetRecord.Part.Name(rawValue: $0.rawValue) }.map { [$0] } ?? [.train, .test],
        count: count)
      let folder = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
      try makeEmpty(folder)
      let path = folder + "/samples.csv"
      try write(table, in: folder, to: path)
      if json {
        Terminal.write(
          Terminal.json(
            Result(
              name: name, folder: folder, table: path, columns: table.columns, classes: table.classNames,
              samples: table.entries.count)))
      } else {
        Terminal.write(
          "✓ \(name)  \(table.entries.count) pictures  \(path)  (\(table.columns.joined(separator: ", ")))")
      }
    }
  }

  private func makeEmpty(_ folder: String) throws {
    try Folder.make(folder)
    let names: [String]
    do { names = try FileManager.default.contentsOfDirectory(atPath: folder) } catch {
      throw FileError(folder, .read)
    }
    if let first = names.sorted().first {
      throw fail(
        "\(folder) has files (\(first)\(names.count > 1 ? " and \(names.count - 1) more" : "")): nothing is overwritten. "
          + "Name a folder that is not there or is empty", ExitStatus.cannotWrite)
    }
  }

  private func write(_ table: PictureTable, in folder: String, to path: String) throws {
    let isLive = Terminal.Stream.standardError.isInteractive
    var text = table.columns.joined(separator: ",") + "\n"
    var folders: Set<String> = []
    for (index, entry) in table.entries.enumerated() {
      if isLive, index % 500 == 0 { Terminal.draw("\(name): \(index) of \(table.entries.count) pictures") }
      let file = folder + "/" + entry.file
      let inner = (file as NSString).deletingLastPathComponent
      if folders.insert(inner).inserted { try Folder.make(inner) }
      let image = table.image(entry)
      try AtomicFile.writeNew(Data(image.png), to: file)
      text += table.row(entry, of: image) + "\n"
    }
    if isLive { Terminal.draw("") }
    try AtomicFile.write(text, to: path)
  }
}

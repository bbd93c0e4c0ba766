import ArgumentParser
import Foundation
import Switchback

struct RunsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "runs", abstract: "Lists the runs of a folder, the newest first, with their results.",
    discussion: flowing(
      """
      A run is finished, running, stopped (train --resume goes on with it), or lost before its first checkpoint. With
      several outputs each accuracy has its output's name. Examples:

        switchback runs
        switchback runs elsewhere/runs --json
      """))

  @Argument(help: "The folder that runs are written to.")
  var folder = "runs"

  @Flag(help: "One JSON array on standard output.")
  var json = false

  func run() throws {
    try reportingErrors {
      guard access(folder, F_OK) == 0 else { throw fail("there is no folder \(folder)", ExitStatus.missingFile) }
      let rows = try RunListing(of: folder).rows
      if json {
        Terminal.write(Terminal.json(rows))
        return
      }
      guard !rows.isEmpty else {
        Terminal.write("\(folder) holds no runs", to: .standardError)
        return
      }
      var table = TextTable(
        ["run", "state", "backend", "epochs", "steps", "test accuracy", "test loss", "samples/s", "findings"],
        rightAligned: [3, 4, 5, 6, 7, 8])
      for row in rows {
        table.add([
          row.run, row.state.rawValue, row.backend ?? "", row.epochs.map { "\($0)" } ?? "",
          row.steps.map { "\($0)" } ?? "", accuracies(row),
          row.testLoss.map { String(format: "%.4g", $0) } ?? "",
          row.samplesPerSecond.map { String(format: "%.0f", $0) } ?? "", row.findings == 0 ? "" : "\(row.findings)",
        ])
      }
      Terminal.write(table.text)
      if let lost = rows.first(where: { $0.state == .lost }) {
        Terminal.write(
          "lost: it ended before its first checkpoint, so there are no weights to go on with or to evaluate; switchback "
            + "train \(RunFolder("\(folder)/\(lost.run)").path(of: .configuration)) starts it again",
          to: .standardError)
      }
    }
  }

  /// `91.40 %`; of several outputs `digit 91.40 %, kind 80.00 %`.
  private func accuracies(_ row: RunListing.Row) -> String {
    row.testAccuracies.map { output, accuracy in
      (output.isEmpty ? "" : output + " ") + String(format: "%.2f %%", accuracy * 100)
    }.joined(separator: ", ")
  }
}

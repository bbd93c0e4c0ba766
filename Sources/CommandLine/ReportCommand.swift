import ArgumentParser
import Foundation
import Switchback

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Writes a run's page anew: curves, gradient flow, findings, confusions (train writes it at the end).",
    discussion: flowing(
      """
      Examples:

        switchback report runs/latest
        switchback report runs/latest --output page.html
      """))

  @Argument(help: "The run folder; the run may still be training.", completion: .directory)
  var folder: String

  @Option(help: "The file to write, instead of report.html in the run folder.", completion: .file())
  var output: String?

  func run() throws {
    try reportingErrors { Terminal.write(try RunFolder(folder).writeReport(to: output)) }
  }
}

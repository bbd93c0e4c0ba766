import ArgumentParser
import Switchback

struct CheckpointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "checkpoint", abstract: "Checks the checkpoints of a run.",
    discussion: "Example: switchback checkpoint verify runs/latest", subcommands: [Verify.self])

  struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Reads every checkpoint of a run and says which are complete.",
      discussion: "Example: switchback checkpoint verify runs/latest")

    @Argument(help: "The run folder.", completion: .directory)
    var folder: String

    func run() throws {
      let entries = CheckpointStore(run: folder).entries()
      guard !entries.isEmpty else { throw fail(RunFolder(folder).missingCheckpoint(), ExitStatus.missingFile) }
      for entry in entries {
        Terminal.write("\(entry.fault == nil ? "✓" : "✗") \(entry.path)\(entry.fault.map { "  \($0)" } ?? "")")
      }
      if entries.contains(where: { $0.fault != nil }) { throw ExitStatus.badData }
    }
  }
}

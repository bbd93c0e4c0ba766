import ArgumentParser
import Foundation
import SwitchbackConformance

struct BackendsCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "Tries a backend in a process of its own, and explains what is wrong with it.",
    discussion: flowing(
      """
      Examples:

        switchback backends check openblas
        switchback backends check ./libSwitchbackyours.so

      Loads it, lists its devices, opens the first, compiles and runs an operation. A crash or a driver that hangs ends
      that process, not this one. Ends with 0 where all of it works, with 69 otherwise. Whether its numbers are right is
      another question: switchback conformance.
      """))

  @Argument(help: "A name, or the path of a library.", completion: .file(extensions: ["so"]))
  var backend: String

  @Option(help: "Seconds that it may take.")
  var limit = 60

  func validate() throws { try checkLimit(limit) }

  func run() throws {
    try reportingErrors {
      let runner = ContractRunner(backend: backend, threads: 0, isQuick: true, limit: Double(limit))
      switch try runner.run(.loading) {
      case .passed(let notes):
        Terminal.write("✓ \(backend)")
        for note in notes { Terminal.write("    \(note)") }
        Terminal.write("whether it computes rightly: switchback conformance --backend \(backend)")
      case .declined(let message), .failed(let message):
        throw fail("\(backend): \(message)\(advice(for: message))", ExitStatus.noBackend)
      }
    }
  }
}

/// What helps against the loader's complaint that a library's own library is not there.
private func advice(for message: String) -> String {
  let words = "cannot open shared object file"
  guard message.contains(words), let name = message.split(separator: ":").first, name.contains(".so") else { return "" }
  return "\nInstall what brings \(name) (Debian: apt-file search \(name)), or add its folder to LD_LIBRARY_PATH."
}

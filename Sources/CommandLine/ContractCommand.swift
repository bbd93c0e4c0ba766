import ArgumentParser
import Foundation
import Switchback
import SwitchbackBackendKit
import SwitchbackConformance

/// The child's side of a case of the contract. It writes a line for whatever it is about to ask, then its outcome.
struct ContractCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "contract-case", abstract: "Tries one rule of the contract; conformance starts it.",
    shouldDisplay: false)

  @Option var backend: String
  @Option(name: .customLong("option")) var options: [String] = []
  @Option(name: .customLong("case")) var name: String
  @Option var threads = 0
  @Flag var quick = false

  func run() throws {
    Terminal.keepOutputFromLibraries()
    try reportingErrors {
      guard let contract = ContractCase.all.first(where: { $0.name == name }) else {
        throw fail("there is no case called \(name)", ExitCode(64))
      }
      say("asks", "loading \(backend)")
      let registry = makeRegistry()
      let outcome: ContractCase.Outcome
      do {
        let environment = try ContractEnvironment(
          registry.backend(named: backend), options: backendOptions(options, of: backend),
          reference: registry.backend(named: "reference"),
          workers: workerCount(threads: threads), isQuick: quick,
          programs: ConformancePrograms.all(isQuick: quick).map(\.replay)
        ) { say("asks", $0) }
        outcome = contract.run(environment)
      } catch let error as BackendError {
        outcome = .failed(error.message)
      }
      switch outcome {
      case .passed(let notes):
        for note in notes { say("notes", note) }
        say("passed", "")
      case .declined(let reason): say("declined", reason)
      case .failed(let message): say("failed", message)
      }
    }
  }

  private func say(_ word: String, _ text: String) {
    Terminal.write("\(word) \(text.replacingOccurrences(of: "\n", with: "; "))")
  }
}

/// The parent's side.
struct ContractRunner: Sendable {
  let backend: String
  /// Key=value of the backend.
  var options: [String] = []
  let threads: Int
  let isQuick: Bool
  /// Seconds that one case may take.
  let limit: Double

  /// What the child said and how it ended, as an outcome in words.
  func run(_ contract: ContractCase) throws -> ContractCase.Outcome {
    var arguments = ["contract-case", "--backend", backend, "--case", contract.name, "--threads", "\(threads)"]
    arguments += options.flatMap { ["--option", $0] }
    if isQuick { arguments.append("--quick") }
    let child = try ChildProcess(arguments, limit: limit)
    let lines = child.output.split(separator: "\n")
    func said(_ word: String) -> [String] {
      lines.filter { $0.hasPrefix(word + " ") }.map { String($0.dropFirst(word.count + 1)) }
    }
    let doing = said("asks").last ?? "starting"
    switch child.ending {
    case .timedOut, .signal: return .failed("\(child.ending.fault ?? ""): \(doing)")
    case .exited(let status):
      if let message = said("failed").last { return .failed(message) }
      if let reason = said("declined").last { return .declined(reason) }
      if !said("passed").isEmpty, status == 0 { return .passed(said("notes")) }
      let last = child.error.split(separator: "\n").suffix(3).joined(separator: "; ")
      return .failed("it ended the process (status \(status)): \(doing)\(last.isEmpty ? "" : ": " + last)")
    }
  }

  /// The same as a verdict, with what two processes disagree on.
  func verdict(_ contract: ContractCase) throws -> ConformanceReport.Verdict {
    switch try run(contract) {
    case .failed(let message): return .failed(message, replay: nil)
    case .declined(let reason): return .declined(reason)
    case .passed(let notes):
      guard contract.needsTwoProcesses, case .passed(let others) = try run(contract) else { return .passed(worst: 0) }
      return ContractCase.disagreement(notes, others).map { .failed($0, replay: nil) } ?? .passed(worst: 0)
    }
  }
}

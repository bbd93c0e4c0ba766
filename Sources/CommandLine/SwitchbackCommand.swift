import ArgumentParser
import Foundation
import Switchback
import SwitchbackTraining

@main
struct SwitchbackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "switchback",
    abstract: "Trains neural networks on swappable compute backends, and watches their gradients.",
    discussion: flowing(
      """
      A first run:

        switchback train configs/fashion-cnn.yaml
        switchback train configs/fashion-cnn.yaml --backend reference
        switchback train configs/deep-sigmoid-mlp.yaml     # a vanishing gradient
        switchback predict runs/latest --index 7           # its likeliest classes
        switchback runs                                    # what was trained
        switchback backends                                # what can compute here
        switchback conformance --backend openblas --quick  # is a backend right?

      Commands end with 0 where all is well, and otherwise with

        1    a result is not right, or a backend failed
        3    train: a finding stopped it (monitor.action: stop, rollback)
        64   wrong words on the command line
        65   data or a file that is broken
        66   a file, a folder or a data set that is not there
        69   a backend that is not there
        70   a library, probably a backend's, ended the process
        73   a file that cannot be made
        74   a file that cannot be written to its end: the disk is full
        78   a configuration that is wrong
        130  train: interrupted and saved (128 and the number of the signal)
      """),
    version: RunEnvironment.version,
    subcommands: [
      TrainCommand.self, EvaluateCommand.self, PredictCommand.self, RunsCommand.self, ReportCommand.self,
      CheckpointCommand.self, ImportCommand.self, ExportCommand.self,
      InspectCommand.self, ProfileCommand.self, BenchCommand.self,
      BackendsCommand.self, TuneCommand.self, ConformanceCommand.self, DiffCommand.self, DataCommand.self,
      ConfigCommand.self,
      ContractCommand.self, FirstUseCommand.self,
    ])

  static func main() {
    StandardStreams.prepare()
    Interruption.unblock()
    ParentProcess.endWithIt()
    Completion.expect()
    if let words = unknownCommand(CommandLine.arguments.dropFirst(), of: Self.self, called: []) {
      end(fail(words, ExitCode(64)))
    }
    do {
      var command = try parsed()
      try command.run()
      end(nil)
    } catch {
      end(error)
    }
  }

  static var _errorPrefix: String { Terminal.coloured("error:", .red, on: .standardError) + " " }

  /// The command that is asked for.
  private static func parsed() throws -> any ParsableCommand {
    do {
      return try parseAsRoot()
    } catch {
      guard exitCode(for: error) == .validationFailure,
        let words = UnknownOption.words(in: CommandLine.arguments.dropFirst(), help: _dumpHelp())
      else { throw error }
      let message = fullMessage(for: error)
      let usage = message.firstRange(of: "\nUsage: ").map { message[$0.lowerBound...] } ?? ""
      throw fail("\(words)\(usage)", ExitCode(64))
    }
  }

  /// What is wrong with the words that name a command; nil where nothing is. The parser would say less.
  private static func unknownCommand(
    _ arguments: ArraySlice<String>, of command: any ParsableCommand.Type, called names: [String]
  ) -> String? {
    let commands = command.configuration.subcommands
    guard !commands.isEmpty, let word = arguments.first, !word.hasPrefix("-") else { return nil }
    if word == "help" { return names.isEmpty ? unknownCommand(arguments.dropFirst(), of: command, called: []) : nil }
    if let next = commands.first(where: { $0._commandName == word }) {
      return unknownCommand(arguments.dropFirst(), of: next, called: names + [word])
    }
    let known = commands.filter { $0.configuration.shouldDisplay }.map { $0._commandName }
    return "there is no command \((names + [word]).joined(separator: " "))"
      + Suggestion.words(for: word, among: known)
  }

  /// Help and versions are errors of the parser whose status is 0. A result that could not be written is a failure,
  /// whatever it said.
  private static func end(_ error: (any Error)?) -> Never {
    Completion.reached()
    var status = error.map { exitCode(for: $0) } ?? .success
    let words = error.map { fullMessage(for: $0) } ?? ""
    if !words.isEmpty { Terminal.write(words, to: status == .success ? .standardOutput : .standardError) }
    if let code = Terminal.failure {
      let failed = fail("\(FileError("standard output", .write, code: code))", ExitStatus.writeFailed)
      if status == .success { status = failed }
    }
    Foundation.exit(status.rawValue)
  }
}

/// What the process says when it ends (sysexits.h, where it has a word for it).
enum ExitStatus {
  static let failure = ExitCode(1)
  static let stoppedByFinding = ExitCode(3)
  static let badData = ExitCode(65)
  static let missingFile = ExitCode(66)
  static let noBackend = ExitCode(69)
  /// A library called `exit`.
  static let endedByLibrary = ExitCode(70)
  static let cannotWrite = ExitCode(73)
  /// A write failed in a file that could be made: the disk is full, or faulty.
  static let writeFailed = ExitCode(74)
  static let badConfiguration = ExitCode(78)
}

/// Runs `body`; an error a user can meet becomes one message on standard error and its exit status.
func reportingErrors(_ body: () throws -> Void) throws {
  do {
    try body()
  } catch let error as ConfigurationError {
    throw fail(error.description, ExitStatus.badConfiguration)
  } catch let error as FileError {
    throw fail(error.description, status(of: error))
  } catch let error as NotARunFolder {
    throw fail(error.message, ExitStatus.missingFile)
  } catch let error as FolderLock.Taken {
    throw fail(error.description, ExitStatus.cannotWrite)
  } catch let error as DatasetError {
    throw fail(error.message, status(of: error))
  } catch let error as BackendError {
    throw fail(error.message, error.kind == .unavailable ? ExitStatus.noBackend : ExitStatus.failure)
  } catch let error as CheckpointMismatch {
    throw fail(error.message, ExitStatus.badData)
  } catch let error as SinkFormatError {
    throw fail(error.description, ExitStatus.badData)
  } catch let error as TrainedModelError {
    throw fail(error.message, ExitStatus.badData)
  } catch let error as WeightError {
    throw fail(error.message, ExitStatus.badData)
  } catch let error as ExecutionError {
    throw fail(error.message, error.kind == .unavailable ? ExitStatus.noBackend : ExitStatus.failure)
  } catch let error as ProgramError {
    throw fail("the network does not fit together: \(error)", ExitStatus.badConfiguration)
  }
}

private func status(of error: DatasetError) -> ExitCode {
  switch error.kind {
  case .missing: ExitStatus.missingFile
  case .corrupt, .invalid: ExitStatus.badData
  case .unwritable: ExitStatus.cannotWrite
  }
}

func status(of error: FileError) -> ExitCode {
  switch error.attempt {
  case .make: ExitStatus.cannotWrite
  case .write: ExitStatus.writeFailed
  case .read: error.code == ENOENT ? ExitStatus.missingFile : ExitStatus.badData
  }
}

func fail(_ message: String, _ status: ExitCode) -> ExitCode {
  let word = Terminal.coloured("error:", .red, on: .standardError)
  Terminal.write("\(word) \(message)", to: .standardError)
  return status
}

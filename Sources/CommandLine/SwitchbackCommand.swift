import ArgumentParser
import Switchback

@main
struct SwitchbackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "switchback",
    abstract: "Trains neural networks on swappable compute backends, and watches their gradients.",
    discussion: """
      A first run:

        switchback train configs/fashion-cnn.yaml
        switchback train configs/fashion-cnn.yaml --backend reference
        switchback train configs/deep-sigmoid-mlp.yaml      (what a vanishing gradient looks like)
        switchback predict runs/latest --index 7            (the image as text, and the five likeliest classes)
        switchback backends                                 (what this machine can compute with)
        switchback conformance --backend openblas --quick   (whether a backend computes rightly)
      """,
    version: "0.1.0",
    subcommands: [
      TrainCommand.self, EvaluateCommand.self, PredictCommand.self, ReportCommand.self, CheckpointCommand.self,
      InspectCommand.self,
      BackendsCommand.self, TuneCommand.self, ConformanceCommand.self, DiffCommand.self, DataCommand.self,
      ConfigCommand.self,
      ContractCommand.self,
    ])
}

/// What the process says when it ends (sysexits.h, where it has a word for it).
enum ExitStatus {
  static let failure = ExitCode(1)
  static let stoppedByFinding = ExitCode(3)
  static let badData = ExitCode(65)
  static let missingFile = ExitCode(66)
  static let noBackend = ExitCode(69)
  static let cannotWrite = ExitCode(73)
  static let badConfiguration = ExitCode(78)
  static let interrupted = ExitCode(130)
}

/// Runs `body`; an error a user can meet becomes one message on standard error and its exit status.
func reportingErrors(_ body: () throws -> Void) throws {
  do {
    try body()
  } catch let error as ConfigurationError {
    throw fail(error.description, ExitStatus.badConfiguration)
  } catch let error as DatasetError {
    throw fail(error.message, status(of: error))
  } catch let error as BackendError {
    throw fail(error.message, error.kind == .unavailable ? ExitStatus.noBackend : ExitStatus.failure)
  } catch let error as CheckpointMismatch {
    throw fail(error.message, ExitStatus.badData)
  } catch let error as TrainedModelError {
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

func fail(_ message: String, _ status: ExitCode) -> ExitCode {
  let word = Terminal.coloured("error:", .red, on: .standardError)
  Terminal.write("\(word) \(message)", to: .standardError)
  return status
}

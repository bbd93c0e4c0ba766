/// Takes what a run's monitor sees, to write it somewhere. One's own goes into `TrainingLoop`'s `sinks`:
///
///     final class LossPrinter: MonitorSink {
///       func write(_ numbers: [String: Double], step: Int) {
///         if let loss = numbers["loss"] { print(step, loss) }
///       }
///     }
///
/// What is thrown ends the run, so that nobody trains on in the belief that it is written. Unless said, nothing is done.
public protocol MonitorSink: AnyObject {
  /// Before the first step, with 0; where the run goes on behind a step, or back to it, with that one: what was written of
  /// later steps does not count any more.
  func begin(after step: Int) throws
  /// What whoever started the run should know of what was there when it began: of a damaged file, under which name it was
  /// kept. Nil where there is nothing to say.
  var warning: String? { get }
  /// Of a step, `loss`, `learning_rate`, and on classes `accuracy`; of an epoch, `epoch_loss`, `validation_loss`, …; of
  /// several outputs each, `digit/loss`. In the order of the steps; an epoch comes behind its last one.
  func write(_ numbers: [String: Double], step: Int) throws
  /// What the probes saw, every `monitor.period` steps.
  func write(_ rows: ProbeRows) throws
  func write(_ finding: Finding) throws
}

extension MonitorSink {
  public func begin(after step: Int) throws {}
  public var warning: String? { nil }
  public func write(_ numbers: [String: Double], step: Int) throws {}
  public func write(_ rows: ProbeRows) throws {}
  public func write(_ finding: Finding) throws {}
}

/// The sinks of a run's folder, by the words of `monitor.sinks`.
public enum SinkKind: String, CaseIterable, Sendable {
  case jsonl, csv, binary, tensorboard

  /// What it writes, below the run's folder.
  public var path: String {
    switch self {
    case .jsonl: "gradients.jsonl"
    case .csv: "gradients.csv"
    case .binary: "gradients.rows"
    case .tensorboard: "tensorboard/" + EventFile.name
    }
  }

  /// A sink that writes into a folder; it opens its file when it begins.
  public func sink(in folder: String) -> any MonitorSink {
    let path = folder + "/" + path
    return switch self {
    case .jsonl: RowLines(path)
    case .csv: RowTable(path)
    case .binary: RowFile(path)
    case .tensorboard: EventFile(path)
    }
  }
}

/// A file that a sink is to go on with is of another format, or of another version of its own.
public struct SinkFormatError: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String
}

import Foundation
import SwitchbackInterchange

/// The folder of a run, `runs/<name>-<time>/`: what its files are called, and what they say. `RunRecorder` writes it.
public struct RunFolder: Hashable, Sendable {
  public let path: String

  /// A file of a run, by its name.
  public enum File: String, CaseIterable, Sendable {
    /// With every default written out. A folder without it is no run.
    case configuration = "config.yaml"
    /// What the run is trained on: a `DatasetRecord`.
    case data = "data.json"
    case environment = "environment.json"
    /// The layers: `[LayerSummary]`.
    case network = "network.json"
    /// Lines, each a `StepReport` or an `EpochReport`.
    case metrics = "metrics.jsonl"
    /// The epochs as a table.
    case epochs = "metrics.csv"
    /// Lines, each what the probes saw in a step, where `monitor.sinks` has `jsonl`; `SinkKind` says the others' files.
    case gradients = "gradients.jsonl"
    /// Lines, each a `Finding`.
    case findings = "findings.jsonl"
    /// The test's verdict: an `EvaluationRecord`.
    case evaluation = "evaluation.json"
    /// A `RunSummary`, once the run has ended.
    case summary = "summary.json"
    case report = "report.html"
    /// The folder of a `CheckpointStore`.
    case checkpoints
  }

  public init(_ path: String) { self.path = path }

  /// A new folder `name-time` in the folder `runs`, which nobody has made before.
  static func makeNew(_ name: String, in runs: String) throws(FileError) -> RunFolder {
    try Folder.make(runs)
    let time = DateFormatter()
    time.locale = Locale(identifier: "en_US_POSIX")
    time.dateFormat = "yyyyMMdd-HHmmss"
    let base = "\(runs)/\(name)-\(time.string(from: Date()))"
    var (path, number) = (base, 2)
    while try !Folder.makeNew(path) {
      path = "\(base)-\(number)"
      number += 1
    }
    return RunFolder(path)
  }

  public func path(of file: File) -> String { path + "/" + file.rawValue }

  public func has(_ file: File) -> Bool { access(path(of: file), F_OK) == 0 }

  /// The path of `config.yaml`; throws where there is none to read.
  public var configurationFile: String {
    get throws(NotARunFolder) {
      let file = path(of: .configuration)
      guard access(file, R_OK) == 0 else {
        throw NotARunFolder(message: "\(path) is no run folder: it has no \(File.configuration.rawValue)")
      }
      return file
    }
  }

  /// The run's configuration, with overrides such as `backend.name=reference` applied.
  public func configuration(_ overrides: [String] = []) throws -> Configuration {
    try Configuration(file: configurationFile, overrides: overrides)
  }

  /// Where the run took place; nil where nothing says so.
  public var environment: RunEnvironment? { value(of: .environment) }

  // MARK: Contents

  /// Nil where there is none that can be read. What is no UTF-8 is one line that nobody can parse.
  func text(of file: File) -> String? {
    (try? RegularFile.read(path(of: file))).map { String(decoding: $0, as: UTF8.self) }
  }

  func value<Value: Decodable>(of file: File, as type: Value.Type = Value.self) -> Value? {
    (try? RegularFile.read(path(of: file))).flatMap { try? JSONText.decoder.decode(type, from: $0) }
  }

  /// The lines that say such a value, of those that `isWanted`; others are passed over.
  func values<Value: Decodable>(of file: File, where isWanted: (Data) -> Bool = { _ in true }) -> [Value] {
    let decoder = JSONText.decoder
    return (text(of: file) ?? "").split(separator: "\n").map { Data($0.utf8) }.filter(isWanted).compactMap {
      try? decoder.decode(Value.self, from: $0)
    }
  }

  /// Writes a file whole or not at all.
  func write(_ text: String, to file: File) throws(FileError) { try AtomicFile.write(text, to: path(of: file)) }

  func write(json value: some Encodable, to file: File) throws(FileError) {
    try write(JSONText.line(value) + "\n", to: file)
  }

  /// Makes the page that shows the run from what was recorded, finished or not: `report.html`, or another file. Answers
  /// its path.
  @discardableResult
  public func writeReport(to file: String? = nil) throws -> String {
    let file = file ?? path(of: .report)
    try AtomicFile.write(RunReport(folder: path).html, to: file)
    return file
  }
}

/// A folder that no run has written.
public struct NotARunFolder: Error, Hashable, Sendable {
  public let message: String
}

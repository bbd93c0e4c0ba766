import Foundation
import Switchback

/// `runs/<name>-<time>/`: the resolved configuration, environment, metrics, findings, probe rows, summary and report of
/// a run.
final class RunFolder: TrainingCallback {
  let path: String
  private let store: CheckpointStore
  private let metrics: FileHandle
  private let rows: FileHandle
  private let findings: FileHandle
  private let table: FileHandle
  private static let tableHead =
    "epoch,step,loss,accuracy,validation_loss,validation_accuracy,seconds,samples_per_second"

  /// A new folder, or with `resuming` an old one, whose lines after `step` are dropped, as they are trained again, and
  /// which has no result until it ends again.
  ///
  /// `data` is what the run is trained on; its checkpoints hold the same.
  init(
    _ configuration: Configuration, data: DatasetRecord? = nil, resuming: String? = nil, after step: Int? = nil
  ) throws {
    if let resuming {
      path = resuming
      store = CheckpointStore(run: path, keeping: configuration.training.keptCheckpoints)
      do {
        // First: a run of an earlier program has its class names in its evaluation alone.
        try Self.write(data, to: path)
        for result in ["summary.json", "evaluation.json", "report.html"]
        where FileManager.default.fileExists(atPath: path + "/" + result) {
          try FileManager.default.removeItem(atPath: path + "/" + result)
        }
        try configuration.resolvedText.write(toFile: path + "/config.yaml", atomically: true, encoding: .utf8)
        func reopen(_ name: String, step stepOf: (Substring) -> Int?) throws -> FileHandle {
          let file = URL(fileURLWithPath: resuming + "/" + name)
          let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
          let kept = text.split(separator: "\n").filter { stepOf($0).map { $0 <= step ?? 0 } ?? false }
          try Data(kept.map { $0 + "\n" }.joined().utf8).write(to: file)
          let handle = try FileHandle(forWritingTo: file)
          try handle.seekToEnd()
          return handle
        }
        (metrics, rows, findings) = (
          try reopen("metrics.jsonl", step: Self.step), try reopen("gradients.jsonl", step: Self.step),
          try reopen("findings.jsonl", step: Self.step)
        )
        // The head counts as step 0.
        table = try reopen("metrics.csv") { line in
          line == Self.tableHead ? 0 : line.split(separator: ",").dropFirst().first.flatMap { Int($0) }
        }
      } catch {
        throw fail(
          "the run folder \(resuming) cannot be written: \(error.localizedDescription)", ExitStatus.cannotWrite)
      }
      return
    }
    let time = DateFormatter()
    time.locale = Locale(identifier: "en_US_POSIX")
    time.dateFormat = "yyyyMMdd-HHmmss"
    let root = configuration.training.runs
    let base = "\(root)/\(configuration.name)-\(time.string(from: Date()))"
    let files = FileManager.default
    var path = base
    var number = 2
    while files.fileExists(atPath: path) {
      path = "\(base)-\(number)"
      number += 1
    }
    self.path = path
    store = CheckpointStore(run: path, keeping: configuration.training.keptCheckpoints)
    do {
      try files.createDirectory(atPath: path, withIntermediateDirectories: true)
      try Self.write(data, to: path)
      try configuration.resolvedText.write(toFile: path + "/config.yaml", atomically: true, encoding: .utf8)
      func make(_ name: String) throws -> FileHandle {
        try Data().write(to: URL(fileURLWithPath: path + "/" + name))
        return try FileHandle(forWritingTo: URL(fileURLWithPath: path + "/" + name))
      }
      (metrics, rows, findings) = (
        try make("metrics.jsonl"), try make("gradients.jsonl"), try make("findings.jsonl")
      )
      table = try make("metrics.csv")
      try table.write(contentsOf: Data((Self.tableHead + "\n").utf8))
      let latest = root + "/latest"
      try? files.removeItem(atPath: latest)
      try? files.createSymbolicLink(
        atPath: latest, withDestinationPath: String(path.dropFirst(root.count + 1)))
    } catch {
      throw fail("the run folder \(path) cannot be written: \(error.localizedDescription)", ExitStatus.cannotWrite)
    }
  }

  /// The number after `"step":` in a line.
  private static func step(of line: Substring) -> Int? {
    guard let key = line.range(of: "\"step\":") else { return nil }
    return Int(line[key.upperBound...].prefix { $0.isNumber })
  }

  func handle(_ event: TrainingEvent, in loop: TrainingLoop) throws -> TrainingDecision {
    try record(event)
    return .proceed
  }

  private func record(_ event: TrainingEvent) throws {
    switch event {
    case .step(let step): try append(Terminal.json(step), to: metrics)
    case .epoch(let epoch):
      try append(Terminal.json(epoch), to: metrics)
      try append(
        "\(epoch.epoch),\(epoch.step),\(epoch.loss),\(epoch.accuracy.map { "\($0)" } ?? ""),\(epoch.validationLoss),"
          + "\(epoch.validationAccuracy.map { "\($0)" } ?? ""),\(epoch.seconds),\(epoch.samplesPerSecond)", to: table)
    case .finding(let finding): try append(Terminal.json(finding), to: findings)
    case .tested(let evaluation): try write(Terminal.json(evaluation) + "\n", to: "evaluation.json")
    case .finished(let summary): try write(Terminal.json(summary) + "\n", to: "summary.json")
    case .probes(let probes): try append(probes.json, to: rows)
    case .checkpoint(let checkpoint):
      do {
        _ = try store.save(checkpoint)
      } catch {
        throw fail("no checkpoint could be saved: \(error)", ExitStatus.cannotWrite)
      }
    case .started, .message: break
    }
  }

  func record(_ environment: RunEnvironment) throws {
    try write(Terminal.json(environment) + "\n", to: "environment.json")
  }

  private static func write(_ data: DatasetRecord?, to folder: String) throws {
    guard let data else { return }
    try Data((Terminal.json(data) + "\n").utf8).write(
      to: URL(fileURLWithPath: folder + "/data.json"), options: .atomic)
  }

  /// Makes the page that shows the run from what was recorded, finished or not.
  func writeReport() throws { try write(try RunReport(folder: path).html, to: "report.html") }

  private func write(_ text: String, to name: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/" + name), options: .atomic)
  }

  private func append(_ line: String, to file: FileHandle) throws {
    try file.write(contentsOf: Data((line + "\n").utf8))
  }
}

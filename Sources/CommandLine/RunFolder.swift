import Foundation
import Switchback

/// `runs/<name>-<time>/`: the resolved configuration, environment, metrics, findings, probe rows, summary and report of
/// a run.
final class RunFolder: TrainingCallback {
  let path: String
  /// Held until the run ends: nobody else writes here.
  private let lock: FolderLock
  private let store: CheckpointStore
  private let metrics: LineFile
  private let rows: LineFile
  private let findings: LineFile
  private let table: LineFile
  private static let tableHead =
    "epoch,step,loss,accuracy,validation_loss,validation_accuracy,seconds,samples_per_second"
  /// The columns of `metrics.csv` behind those, by their names there: `digit/loss`, `validation_digit/accuracy`.
  private let furtherColumns: [String]

  /// A new folder. `data` is what the run is trained on; its checkpoints hold the same.
  init(_ configuration: Configuration, data: DatasetRecord? = nil, columns: MetricColumns) throws {
    let runs = configuration.training.runs
    let name = try Self.makeFolder(in: runs, configuration.name)
    path = runs + "/" + name
    lock = try FolderLock(path)
    store = CheckpointStore(run: path, keeping: configuration.training.keptCheckpoints)
    try Self.write(data, to: path)
    try AtomicFile.write(configuration.resolvedText, to: path + "/config.yaml")
    metrics = try LineFile(path + "/metrics.jsonl")
    rows = try LineFile(path + "/gradients.jsonl")
    findings = try LineFile(path + "/findings.jsonl")
    table = try LineFile(path + "/metrics.csv")
    furtherColumns = columns.training + columns.validation.map { Self.validationPrefix + $0 }
    try table.append(([Self.tableHead] + furtherColumns).joined(separator: ","))
    if let words = LatestLink.set(to: name, in: runs) { Terminal.write("warning: \(words)", to: .standardError) }
  }

  /// The folder of a run that goes on from `start`. It has no result until the run ends again, and lines of steps that
  /// are trained again, or with `isComplete` none, are dropped.
  init(
    resuming lock: FolderLock, _ configuration: Configuration, data: DatasetRecord?, from start: Checkpoint.Position,
    isComplete: Bool
  ) throws {
    (self.lock, path) = (lock, lock.folder)
    store = CheckpointStore(run: path, keeping: configuration.training.keptCheckpoints)
    for folder in [path, store.folder] { AtomicFile.removePartialFiles(in: folder) }
    // First: a run of an earlier program has its class names in its evaluation alone.
    try Self.write(data, to: path)
    for result in ["summary.json", "evaluation.json", "report.html"] where unlink(path + "/" + result) != 0 {
      guard errno == ENOENT else { throw FileError(path + "/" + result, .write) }
    }
    try AtomicFile.write(configuration.resolvedText, to: path + "/config.yaml")
    /// Whether the run trains this epoch again, or its rest.
    func isRepeated(epoch: Int?) -> Bool { !isComplete && epoch ?? 0 >= start.epoch }
    func isKept(_ line: Data) -> Bool {
      let isEpoch = line.range(of: Data("\"epochs\":".utf8)) != nil
      if isEpoch, isRepeated(epoch: Self.number("epoch", in: line)) { return false }
      // A line that says no step, torn or somebody's own, is nobody's to drop.
      return Self.number("step", in: line).map { $0 <= start.batches } ?? true
    }
    metrics = try LineFile(path + "/metrics.jsonl", keeping: isKept)
    rows = try LineFile(path + "/gradients.jsonl", keeping: isKept)
    findings = try LineFile(path + "/findings.jsonl", keeping: isKept)
    // The file's own columns, whatever this configuration has.
    let head = (try? TextFile.read(path + "/metrics.csv"))?.prefix { $0 != "\n" } ?? ""
    furtherColumns =
      head.hasPrefix(Self.tableHead + ",")
      ? head.dropFirst(Self.tableHead.count + 1).split(separator: ",").map(String.init) : []
    table = try LineFile(path + "/metrics.csv") { line in
      let cells = line.split(separator: UInt8(ascii: ","), maxSplits: 2)
        .map { Int(String(decoding: $0, as: UTF8.self)) }
      guard cells.count == 3, let epoch = cells[0], let step = cells[1] else { return true }
      return step <= start.batches && !isRepeated(epoch: epoch)
    }
  }

  private static let validationPrefix = "validation_"

  /// An epoch's line of `metrics.csv`.
  private func line(_ epoch: EpochReport) -> String {
    func cell(_ number: Double?) -> String { number.map { "\($0)" } ?? "" }
    let cells =
      ["\(epoch.epoch)", "\(epoch.step)", "\(epoch.loss)", cell(epoch.accuracy), cell(epoch.validationLoss)]
      + [cell(epoch.validationAccuracy), "\(epoch.seconds)", "\(epoch.samplesPerSecond)"]
    let further = furtherColumns.map { column in
      column.hasPrefix(Self.validationPrefix)
        ? epoch.validationMetrics?[String(column.dropFirst(Self.validationPrefix.count))] : epoch.metrics?[column]
    }
    return (cells + further.map(cell)).joined(separator: ",")
  }

  /// Makes a folder `name-time` that nobody has made before; its name.
  private static func makeFolder(in runs: String, _ name: String) throws -> String {
    try Folder.make(runs)
    let time = DateFormatter()
    time.locale = Locale(identifier: "en_US_POSIX")
    time.dateFormat = "yyyyMMdd-HHmmss"
    let base = "\(name)-\(time.string(from: Date()))"
    var (folder, number) = (base, 2)
    while try !Folder.makeNew(runs + "/" + folder) {
      folder = "\(base)-\(number)"
      number += 1
    }
    return folder
  }

  /// The whole number behind `"key":` in a line of JSON.
  private static func number(_ key: String, in line: Data) -> Int? {
    guard let place = line.range(of: Data("\"\(key)\":".utf8)) else { return nil }
    return Int(String(decoding: line[place.upperBound...].prefix { (48...57).contains($0) }, as: UTF8.self))
  }

  /// Whether a step has a line in the log: every one up to 10,000, every tenth up to 100,000, every hundredth up to
  /// 1,000,000, and so on. So the log of a long run stays as short as its page.
  static func hasLine(_ step: Int) -> Bool {
    var every = 1
    while step / every > 10_000 { every *= 10 }
    return step % every == 0
  }

  func handle(_ event: TrainingEvent, in loop: TrainingLoop) throws -> TrainingDecision {
    try record(event)
    return .proceed
  }

  private func record(_ event: TrainingEvent) throws {
    switch event {
    case .step(let step): if Self.hasLine(step.step) { try metrics.append(Terminal.json(step)) }
    case .epoch(let epoch):
      try metrics.append(Terminal.json(epoch))
      try table.append(line(epoch))
    case .finding(let finding): try findings.append(Terminal.json(finding))
    case .tested(let evaluation): try write(Terminal.json(evaluation) + "\n", to: "evaluation.json")
    case .finished(let summary): try write(Terminal.json(summary) + "\n", to: "summary.json")
    case .probes(let probes): try rows.append(probes.json)
    case .checkpoint(let checkpoint):
      _ = try store.save(checkpoint)
    case .started, .message, .evaluating: break
    }
  }

  func record(_ environment: RunEnvironment) throws {
    try write(Terminal.json(environment) + "\n", to: "environment.json")
  }

  /// What the report draws.
  func record(_ layers: [LayerSummary]) throws { try write(Terminal.json(layers) + "\n", to: "network.json") }

  private static func write(_ data: DatasetRecord?, to folder: String) throws {
    guard let data else { return }
    try AtomicFile.write(Terminal.json(data) + "\n", to: folder + "/data.json")
  }

  /// Makes the page that shows the run from what was recorded, finished or not.
  func writeReport() throws { try write(try RunReport(folder: path).html, to: "report.html") }

  private func write(_ text: String, to name: String) throws {
    try AtomicFile.write(text, to: path + "/" + name)
  }
}

import Foundation
public import SwitchbackInterchange

/// Writes the folder of a run while its loop trains: configuration, environment, metrics, findings, probe rows,
/// checkpoints and summary, from which runs are listed, shown, evaluated, predicted with and gone on with.
///
///     let recorder = try RunRecorder(loop)
///     let summary = try loop.run(callbacks: [recorder])
///     try recorder.folder.writeReport()
public final class RunRecorder: TrainingCallback {
  public let folder: RunFolder
  /// As it stands in the folder.
  public let environment: RunEnvironment
  /// What is to be said where `latest` does not lead to this run, or a file of the folder that goes on was damaged.
  public let warning: String?
  /// Held until the run ends: nobody else writes here.
  private let lock: FolderLock
  private let store: CheckpointStore
  private var metrics: LineFile
  private let sinks: RunSinks
  private let findings: LineFile
  private var table: LineFile
  private static let tableHead =
    "epoch,step,loss,accuracy,validation_loss,validation_accuracy,seconds,samples_per_second"
  /// The columns of `metrics.csv` behind those, by their names there: `digit/loss`, `validation_digit/accuracy`.
  private let furtherColumns: [String]

  /// A new run, in a new folder below `training.runs`. Where the loop cannot start there is no folder.
  public init(_ loop: TrainingLoop) throws {
    let configuration = loop.configuration
    try loop.checkUpdates(from: nil)
    var environment = try RunEnvironment(of: loop.session)
    environment.from = try loop.loadInitialWeights()
    environment.initialization = try loop.initializeWeights()
    self.environment = environment
    let runs = configuration.training.runs
    folder = try RunFolder.makeNew(configuration.name, in: runs)
    lock = try FolderLock(folder.path)
    store = CheckpointStore(run: folder.path, keeping: configuration.training.keptCheckpoints)
    if let data = loop.data { try folder.write(json: data, to: .data) }
    try folder.write(configuration.resolvedText, to: .configuration)
    metrics = try LineFile(folder.path(of: .metrics))
    sinks = try RunSinks(configuration.monitor.sinks, in: folder, after: 0)
    findings = try LineFile(folder.path(of: .findings))
    table = try LineFile(folder.path(of: .epochs))
    let columns = loop.session.columns
    furtherColumns = columns.training + columns.validation.map { Self.validationPrefix + $0 }
    try table.append(([Self.tableHead] + furtherColumns).joined(separator: ","))
    warning = LatestLink.set(to: String(folder.path.dropFirst(runs.count + 1)), in: runs)
    try writeBeginning(loop)
  }

  /// The run of a folder that goes on from `start`, one of its checkpoints. It has no result until it ends again, and lines
  /// of steps that are trained again, or of a complete run none, are dropped. Where the loop cannot go on nothing is
  /// changed.
  ///
  /// Take the lock before reading the checkpoint: nobody else may go on with the run meanwhile.
  public init(resuming lock: FolderLock, _ loop: TrainingLoop, from start: Checkpoint) throws {
    let (position, configuration) = (start.position, loop.configuration)
    try loop.check(start)
    try loop.checkUpdates(from: start)
    (self.lock, folder) = (lock, RunFolder(lock.folder))
    var environment = try RunEnvironment(of: loop.session)
    environment.goOn(
      from: folder.environment, after: position.batches, backend: configuration.backend.name,
      otherBits: try loop.givesOtherBits(start))
    self.environment = environment
    let isComplete = loop.isComplete(at: position)
    store = CheckpointStore(run: folder.path, keeping: configuration.training.keptCheckpoints)
    for path in [folder.path, store.folder] { AtomicFile.removePartialFiles(in: path) }
    // First: a run of an earlier program has its class names in its evaluation alone.
    if let data = loop.data { try folder.write(json: data, to: .data) }
    for result in [RunFolder.File.summary, .evaluation, .report] where unlink(folder.path(of: result)) != 0 {
      guard errno == ENOENT else { throw FileError(folder.path(of: result), .write) }
    }
    try folder.write(configuration.resolvedText, to: .configuration)
    /// Whether the run trains this epoch again, or its rest.
    func isRepeated(epoch: Int?) -> Bool { !isComplete && epoch ?? 0 >= position.epoch }
    func isKept(_ line: Data) -> Bool {
      if RunRecord.isEpoch(line), isRepeated(epoch: LineFile.number("epoch", in: line)) { return false }
      // A line that says no step, torn or somebody's own, is nobody's to drop.
      return LineFile.number("step", in: line).map { $0 <= position.batches } ?? true
    }
    metrics = try LineFile(folder.path(of: .metrics), keeping: isKept)
    sinks = try RunSinks(configuration.monitor.sinks, in: folder, after: position.batches)
    warning = sinks.warnings.isEmpty ? nil : sinks.warnings.joined(separator: "; ")
    // Of steps that a run went back behind, too.
    let answered = Set(position.actions?.records.map(\.step) ?? [])
    var remembered = RememberedFindings(position)
    findings = try LineFile(folder.path(of: .findings)) { line in
      guard isKept(line) || LineFile.number("step", in: line).map(answered.contains) ?? true else { return false }
      return isComplete || remembered.takes(line)
    }
    // The file's own columns, whatever this configuration has.
    let head = (try? TextFile.read(folder.path(of: .epochs)))?.prefix { $0 != "\n" } ?? ""
    furtherColumns =
      head.hasPrefix(Self.tableHead + ",")
      ? head.dropFirst(Self.tableHead.count + 1).split(separator: ",").map(String.init) : []
    table = try LineFile(folder.path(of: .epochs)) { line in
      let cells = line.split(separator: UInt8(ascii: ","), maxSplits: 2)
        .map { Int(String(decoding: $0, as: UTF8.self)) }
      guard cells.count == 3, let epoch = cells[0], let step = cells[1] else { return true }
      return step <= position.batches && !isRepeated(epoch: epoch)
    }
    try writeBeginning(loop)
  }

  private func writeBeginning(_ loop: TrainingLoop) throws {
    try folder.write(json: environment, to: .environment)
    // What the report draws.
    try folder.write(json: loop.session.layers, to: .network)
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

  /// Whether a step has a line in the log: every one up to 10,000, every tenth up to 100,000, every hundredth up to
  /// 1,000,000, and so on. So the log of a long run stays as short as its page.
  static func hasLine(_ step: Int) -> Bool {
    var every = 1
    while step / every > 10_000 { every *= 10 }
    return step % every == 0
  }

  /// Drops what the files have of later steps, but for findings.
  private func goBack(to step: Int) throws {
    metrics = try LineFile(folder.path(of: .metrics)) { line in
      LineFile.number("step", in: line).map { $0 <= step } ?? true
    }
    table = try LineFile(folder.path(of: .epochs)) { line in
      let cells = line.split(separator: UInt8(ascii: ","), maxSplits: 2)
      guard cells.count == 3, let number = Int(String(decoding: cells[1], as: UTF8.self)) else { return true }
      return number <= step
    }
    try sinks.goBack(to: step)
    store.removeNewer(than: step)
  }

  public func handle(_ event: TrainingEvent, in loop: TrainingLoop) throws -> TrainingDecision {
    switch event {
    case .step(let step):
      guard Self.hasLine(step.step) else { return .proceed }
      try metrics.append(JSONText.line(step))
    case .epoch(let epoch):
      try metrics.append(JSONText.line(epoch))
      try table.append(line(epoch))
    case .finding(let finding): try findings.append(JSONText.line(finding))
    case .replay(let replay): try AtomicFile.write(replay.text, to: folder.path + "/" + replay.name)
    case .recording(let recording):
      try AtomicFile.write(JSONText.line(recording) + "\n", to: folder.path + "/" + recording.name)
    case .wentBack(let step): try goBack(to: step)
    case .tested(let evaluation): try folder.write(json: evaluation, to: .evaluation)
    case .finished(let summary): try folder.write(json: summary, to: .summary)
    case .checkpoint(let checkpoint): _ = try store.save(checkpoint)
    case .started, .message, .evaluating, .probes: break
    }
    try sinks.take(event)
    return .proceed
  }
}

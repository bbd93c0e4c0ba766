import Foundation
public import SwitchbackInterchange

/// The runs below a folder, newest first: what each was, and what came of it.
public struct RunListing: Sendable {
  public struct Row: Sendable, Encodable {
    public enum State: String, Sendable, Encodable {
      case finished
      /// A process writes to it now.
      case running
      /// It can be gone on with.
      case stopped
      /// It ended before its first checkpoint.
      case lost
    }

    /// The folder's name.
    public var run: String
    public var state: State
    public var started: Date?
    public var backend: String?
    public var epochs: Int?
    public var steps: Int?
    /// Of the test, where the run has ended.
    public var testAccuracy: Double?
    public var testLoss: Double?
    /// The test's further columns, as in the run's summary.
    public var testMetrics: [String: Double]?
    public var samplesPerSecond: Double?
    public var findings: Int

    /// The accuracy of each output that has one, by the outputs' names; of a network with one output it has none.
    public var testAccuracies: [(output: String, accuracy: Double)] {
      if let testAccuracy { return [("", testAccuracy)] }
      let suffix = "/" + Accuracy.word
      return (testMetrics ?? [:]).filter { $0.key.hasSuffix(suffix) }.sorted { $0.key < $1.key }
        .map { (String($0.key.dropLast(suffix.count)), $0.value) }
    }
  }

  public let rows: [Row]

  /// Folders without a run's `config.yaml` are no runs; links (`latest`) are not followed.
  public init(of folder: String) throws(FileError) {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw FileError(folder, .read, code: access(folder, F_OK) == 0 ? ENOTDIR : ENOENT)
    }
    var rows: [Row] = []
    for name in names {
      var status = stat()
      let path = folder + "/" + name
      guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR,
        let record = try? RunRecord(folder: path)
      else { continue }
      let newest = CheckpointStore(run: path).newestStep
      let state: Row.State =
        FolderLock.isTaken(path)
        ? .running : record.summary != nil ? .finished : newest == nil ? .lost : .stopped
      let summary = record.summary
      rows.append(
        Row(
          run: name, state: state, started: record.environment?.started,
          backend: summary?.backend ?? record.environment?.devices.first.map { String($0.prefix { $0 != ":" }) },
          epochs: summary?.epochs ?? record.epochs.last?.epoch, steps: summary?.steps ?? newest,
          testAccuracy: summary?.testAccuracy, testLoss: summary?.testLoss, testMetrics: summary?.testMetrics,
          samplesPerSecond: summary?.samplesPerSecond, findings: record.findings.count))
    }
    // The second run of a second has a longer name.
    self.rows = rows.sorted { ($1.started ?? .distantPast, $1.run) < ($0.started ?? .distantPast, $0.run) }
  }
}

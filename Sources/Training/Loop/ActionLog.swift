import SwitchbackMonitoring
public import SwitchbackNeuralNetworks

/// What a run's monitor has done besides saying its findings (`monitor.action`).
public struct ActionLog: Hashable, Codable, Sendable {
  public struct Record: Hashable, Codable, Sendable {
    /// As in the configuration: `lower_rate`, `rollback`.
    public var action: String
    /// Of the finding.
    public var rule: String
    public var step: Int
    /// Of a rollback: the step of the checkpoint.
    public var to: Int?
    /// What the schedule's rate is multiplied with from there on.
    public var scale: Double
  }

  public internal(set) var records: [Record] = []
  /// Nil where the rate is the schedule's.
  public internal(set) var lowered: LoweredRate?

  init() {}

  /// Files may hold anything.
  var isPossible: Bool {
    lowered?.isPossible ?? true
      && records.allSatisfy { (0...1 << 48).contains($0.step) && (0...1 << 48).contains($0.to ?? 0) }
  }
}

extension ActionLog {
  /// Lowers the rate from the step on that comes after so many batches.
  mutating func lower(_ finding: Finding, _ settings: Configuration.Monitor, since batches: Int) {
    var rate = lowered ?? LoweredRate()
    rate.lower(by: settings.actionFactor, minimum: settings.actionMinimumRate, since: batches)
    lowered = rate
    records.append(
      Record(
        action: settings.action.rawValue, rule: finding.rule, step: finding.step, to: nil, scale: rate.scale))
  }

  /// Lowers it where no step is under way, behind a checkpoint.
  mutating func goBack(_ finding: Finding, _ settings: Configuration.Monitor, to step: Int) {
    var rate = lowered ?? LoweredRate()
    rate.lowerAtOnce(by: settings.actionFactor, minimum: settings.actionMinimumRate)
    lowered = rate
    records.append(
      Record(
        action: settings.action.rawValue, rule: finding.rule, step: finding.step, to: step, scale: rate.scale))
  }

  /// What is said of the last one.
  func words(_ settings: Configuration.Monitor) -> String {
    guard let last = records.last else { return "" }
    let count = "\(records.count) of \(settings.actionCount)"
    let rate =
      "the learning rate is \(last.scale.short) times that of its schedule"
      + (settings.actionMinimumRate > 0 ? ", and at least \(settings.actionMinimumRate.short)" : "")
    guard let step = last.to else {
      return "because of \(last.rule) \(rate) from step \(last.step + 2) on (\(count))"
    }
    return "because of \(last.rule) in step \(last.step) the run goes back to step \(step), and \(rate) (\(count))"
  }
}

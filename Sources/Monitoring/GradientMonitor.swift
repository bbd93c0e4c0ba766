/// Applies the rules to what the probes saw, and keeps the findings of a run.
public struct GradientMonitor: Sendable {
  public private(set) var findings: [Finding] = []
  private var rules: [any Rule]

  public init(rules: [any Rule]) { self.rules = rules }

  /// The findings that open with these rows.
  public mutating func observe(_ rows: ProbeRows) -> [Finding] {
    var opened: [Finding] = []
    for index in rules.indices {
      if let finding = rules[index].observe(rows) { opened.append(finding) }
    }
    findings += opened
    return opened
  }
}

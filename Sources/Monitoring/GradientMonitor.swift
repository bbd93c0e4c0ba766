/// Applies the rules to what the probes saw, and keeps the findings of a run.
public struct GradientMonitor: Sendable {
  public private(set) var findings: [Finding] = []
  private var rules: [any Rule]

  /// All that it remembers. A run that goes on with it finds what it would have found without a break.
  public struct State: Hashable, Sendable, Codable {
    public var findings: [Finding]
    /// By rule: see `Rule.memory`.
    package var memories: [String: [String: Int]]
    /// The last updates; nil in positions of before.
    package var flight: FlightRecorder?
  }

  public var state: State {
    get { State(findings: findings, memories: Dictionary(rules.map { ($0.name, $0.memory) }) { first, _ in first }) }
    set {
      findings = newValue.findings
      for index in rules.indices { rules[index].memory = newValue.memories[rules[index].name] ?? [:] }
    }
  }

  public init(rules: [any Rule]) { self.rules = rules }

  /// The findings that open with these rows.
  public mutating func observe(_ rows: ProbeRows) -> [Finding] { ask { $0.observe(rows) } }

  /// The findings that open with an evaluation.
  public mutating func observe(_ evaluation: EvaluationFacts) -> [Finding] { ask { $0.observe(evaluation) } }

  private mutating func ask(_ question: (inout any Rule) -> Finding?) -> [Finding] {
    var opened: [Finding] = []
    for index in rules.indices {
      if let finding = question(&rules[index]) { opened.append(finding) }
    }
    findings += opened
    return opened
  }

  /// Keeps a finding that no rule has opened.
  public mutating func record(_ finding: Finding) { findings.append(finding) }

  /// Takes over what somebody who knows more has said of the findings that `observe` answered last.
  public mutating func complete(_ opened: [Finding]) {
    guard opened.count <= findings.count else { return }
    findings.replaceSubrange((findings.count - opened.count)..., with: opened)
  }
}

/// What must hold of a training step whatever it is trained on; asked once, before the first step.
public protocol Law: Sendable {
  /// What it is called where a finding names it as its `rule`: `oneUpdate`.
  var name: String { get }
  /// What does not hold; none where it holds.
  func breaches(in step: StepDescription) -> [Finding]
}

extension Law {
  func breach(
    _ severity: Finding.Severity = .error, layers: [String], subject: String? = nil, cause: String? = nil,
    evidence: [String: Double] = [:], _ message: String
  ) -> Finding {
    Finding(
      rule: name, severity: severity, step: 0, layers: layers, subject: subject, cause: cause, evidence: evidence,
      message: message)
  }
}

/// Every law, in the order in which findings come. `README.md` beside says what they say.
public enum LawCatalog {
  public static let all: [any Law] = [
    GradientPath(), OneUpdate(), FrozenWeights(), LayerIsUsed(), LossTakesOutput(), OneInitialization(),
    ClippingApplies(),
  ]

  /// What does not hold of a step.
  public static func breaches(in step: StepDescription, of laws: [any Law] = all) -> [Finding] {
    laws.flatMap { $0.breaches(in: step) }
  }
}

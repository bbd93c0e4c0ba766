/// Something wrong with the gradients: the rule that saw it, since when, which layers, and the numbers.
public struct Finding: Hashable, Sendable, Codable {
  public enum Severity: String, Hashable, Sendable, Codable {
    case warning, error
  }

  public var rule: String
  public var severity: Severity
  public var step: Int
  /// Paths of the layers concerned, from the input.
  public var layers: [String]
  public var evidence: [String: Double]
  /// The finding in plain words, made from the evidence.
  public var message: String

  public init(
    rule: String, severity: Severity, step: Int, layers: [String], evidence: [String: Double], message: String
  ) {
    (self.rule, self.severity, self.step) = (rule, severity, step)
    (self.layers, self.evidence, self.message) = (layers, evidence, message)
  }
}

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
  /// What it is about where that is no layer: a parameter's path, a field of the data, `loss`; nil where layers say it.
  public var subject: String?
  /// A word for what brought it about, where that is known: `zeroInputs`, `update`.
  public var cause: String?
  /// The cause that the rule had named, where a proof has put `backend` in its place.
  public var ruleCause: String?
  /// Numbers alone, so that a program can compare them. What is infinite or NaN is not there, and a flag stands for it:
  /// `lossIsNaN: 1`, `lossIsInfinite: 1` or -1. Of a gradient that does not arrive at all, `decades` counts down to the
  /// smallest number that Float32 has, and `noGradient: 1` says so.
  public var evidence: [String: Double]
  /// The finding in plain words, made from the evidence.
  public var message: String
  /// Whether it is the network or the backend; nil where that is no question.
  public var proof: Proof?
  /// The file in the run's folder that has the numbers of the updates before: a `FlightRecording`.
  public var recording: String?

  public init(
    rule: String, severity: Severity, step: Int, layers: [String], subject: String? = nil, cause: String? = nil,
    evidence: [String: Double], message: String
  ) {
    (self.rule, self.severity, self.step) = (rule, severity, step)
    (self.layers, self.subject, self.cause, self.message) = (layers, subject, cause, message)
    var numbers: [String: Double] = [:]
    for (key, value) in evidence {
      if value.isFinite {
        numbers[key] = value
      } else {
        numbers[key + (value.isNaN ? "IsNaN" : "IsInfinite")] = value < 0 ? -1 : 1
      }
    }
    self.evidence = numbers
  }
}

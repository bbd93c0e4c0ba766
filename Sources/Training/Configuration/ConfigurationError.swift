/// Everything that is wrong with a configuration, at once.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  public struct Problem: Hashable, Sendable, Encodable, CustomStringConvertible {
    public var file: String
    /// From 1; nil where the command line is to blame.
    public var line: Int?
    public var column: Int?
    public var message: String

    /// `configs/mnist.yaml:12:5: …`, or `command line: …`
    public var description: String {
      guard let line, let column else { return "command line: \(message)" }
      return "\(file):\(line):\(column): \(message)"
    }
  }

  public var problems: [Problem]

  public var description: String {
    let count = problems.count == 1 ? "1 problem" : "\(problems.count) problems"
    return (["\(count) in the configuration"] + problems.map { "  \($0)" }).joined(separator: "\n")
  }
}

/// Everything that is wrong with a configuration, at once.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  public struct Problem: Hashable, Sendable, CustomStringConvertible {
    /// `configs/mnist.yaml:12:5`, or `command line`.
    public var location: String
    public var message: String

    public var description: String { "\(location): \(message)" }
  }

  public var problems: [Problem]

  public var description: String {
    let count = problems.count == 1 ? "1 problem" : "\(problems.count) problems"
    return (["\(count) in the configuration"] + problems.map { "  \($0)" }).joined(separator: "\n")
  }
}

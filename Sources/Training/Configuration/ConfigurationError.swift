/// Everything that is wrong with a configuration, at once.
public struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
  public struct Problem: Hashable, Sendable, Encodable, CustomStringConvertible {
    /// Or `command line`.
    public var file: String
    /// From 1; nil where no line is to blame.
    public var line: Int?
    public var column: Int?
    public var message: String

    public init(file: String, line: Int? = nil, column: Int? = nil, message: String) {
      (self.file, self.line, self.column, self.message) = (file, line, column, message)
    }

    init(_ place: Place, _ message: String) {
      self.init(file: place.file, line: place.line, column: place.column, message: message)
    }

    /// `configs/mnist.yaml:12:5: …`, or without a line.
    public var description: String {
      guard let line, let column else { return "\(file): \(message)" }
      return "\(file):\(line):\(column): \(message)"
    }
  }

  /// Where in a file, as in `Problem`.
  struct Place: Hashable, Sendable {
    var file: String
    var line: Int?
    var column: Int?
  }

  public var problems: [Problem]

  public init(problems: [Problem]) { self.problems = problems }

  public var description: String {
    let count = problems.count == 1 ? "1 problem" : "\(problems.count) problems"
    return (["\(count) in the configuration"] + problems.map { "  \($0)" }).joined(separator: "\n")
  }
}

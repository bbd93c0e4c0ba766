/// A batch that was evaluated twice, from equal inputs and states.
public struct RepeatedEvaluation: Hashable, Sendable {
  public var step: Int
  /// What the evaluation answers, and how many of these numbers have other bits the second time.
  public var numbers: Int
  public var different: Int
  /// The output that differs first: `predictions`.
  public var output: String?

  public init(step: Int, numbers: Int, different: Int = 0, output: String? = nil) {
    (self.step, self.numbers, self.different, self.output) = (step, numbers, different, output)
  }
}

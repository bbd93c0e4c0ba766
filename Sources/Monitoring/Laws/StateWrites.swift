/// States that were written between two steps by somebody else than a step.
public struct StateWrites: Hashable, Sendable {
  /// The step before it.
  public var step: Int
  public var written: [StepDescription.Weight]
  /// Those of them that have the bits of their first values again.
  public var initialized: [StepDescription.Weight]

  public init(step: Int, written: [StepDescription.Weight], initialized: [StepDescription.Weight] = []) {
    (self.step, self.written, self.initialized) = (step, written, initialized)
  }
}

/// A step that was run again on copies of its states and its batch, after it had run from other states there.
public struct RepeatedStep: Hashable, Sendable {
  public var step: Int
  public var gradients: [Gradient]

  /// L2 norms of a weight's gradient: in the training, and of the step again.
  public struct Gradient: Hashable, Sendable {
    public var weight: StepDescription.Weight
    public var norm: Double
    public var again: Double

    public init(weight: StepDescription.Weight, norm: Double, again: Double) {
      (self.weight, self.norm, self.again) = (weight, norm, again)
    }
  }

  public init(step: Int, gradients: [Gradient]) { (self.step, self.gradients) = (step, gradients) }
}

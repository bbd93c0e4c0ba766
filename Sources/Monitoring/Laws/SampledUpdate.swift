public import SwitchbackPrograms

/// Some elements of one trainable weight before and behind a step, with all that its update goes by.
public struct SampledUpdate: Sendable {
  public var step: Int
  /// The number of the update, from 0, as whoever watches the run has counted it.
  public var number: Int
  public var weight: StepDescription.Weight
  public var operation: any OptimizerUpdate
  /// Whether the update was allowed: loss and gradients were finite.
  public var isApplied: Bool
  /// The weight and its slots, in the operation's order, each at the sampled elements.
  public var before: [[Double]]
  public var after: [[Double]]
  /// What the optimizer got: averaged over accumulated batches, and clipped. Nil where nobody wrote it.
  public var gradient: [Double]?
  public var learningRate: Double
  /// The bias correction that the step was given; nil of an operation without one.
  public var correction: Double?
  /// Of accumulated batches: the sum of their gradients behind the update.
  public var accumulator: [Double] = []
  public var clipping: Clipping?

  /// How the gradient was clipped, of the whole weight.
  public struct Clipping: Hashable, Sendable {
    public var limit: StepFacts.Clipping
    /// L2 norm and largest magnitude of what the optimizer got.
    public var norm: Double
    public var absMax: Double
    /// L2 norms before clipping: of this weight, and of all together. Nil where no probe saw them.
    public var normBefore: Double?
    public var totalBefore: Double?

    public init(
      limit: StepFacts.Clipping, norm: Double, absMax: Double, normBefore: Double? = nil, totalBefore: Double? = nil
    ) {
      (self.limit, self.norm, self.absMax) = (limit, norm, absMax)
      (self.normBefore, self.totalBefore) = (normBefore, totalBefore)
    }
  }

  public init(
    step: Int, number: Int, weight: StepDescription.Weight, operation: any OptimizerUpdate, isApplied: Bool = true,
    before: [[Double]], after: [[Double]], gradient: [Double]?, learningRate: Double, correction: Double? = nil
  ) {
    (self.step, self.number, self.weight, self.operation) = (step, number, weight, operation)
    (self.isApplied, self.before, self.after, self.gradient) = (isApplied, before, after, gradient)
    (self.learningRate, self.correction) = (learningRate, correction)
  }
}

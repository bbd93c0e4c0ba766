/// A state besides the weights that are trained, before and behind a step.
public struct SampledState: Sendable {
  public var step: Int
  public var weight: StepDescription.Weight
  public var kind: Kind

  public enum Kind: Sendable {
    /// Nothing writes it. Checksums of its bits: at the first look, and now.
    case frozen(first: UInt64, now: UInt64)
    /// Its layer replaces it by momentum·old + share·batch, where the step was allowed: some elements of each.
    case moving(Moving)
  }

  /// Running statistics: elements before and behind the step, and of the batch.
  public struct Moving: Hashable, Sendable {
    public var before: [Double]
    public var after: [Double]
    public var batch: [Double]
    public var momentum: Double
    public var share: Double
    public var isApplied: Bool

    public init(
      before: [Double], after: [Double], batch: [Double], momentum: Double, share: Double, isApplied: Bool = true
    ) {
      (self.before, self.after, self.batch) = (before, after, batch)
      (self.momentum, self.share, self.isApplied) = (momentum, share, isApplied)
    }
  }

  public init(step: Int, weight: StepDescription.Weight, _ kind: Kind) {
    (self.step, self.weight, self.kind) = (step, weight, kind)
  }
}

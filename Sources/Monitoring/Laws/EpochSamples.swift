/// Which samples an epoch was trained on, and how those that are watched were changed at random.
public struct EpochSamples: Hashable, Sendable {
  public var step: Int
  public var epoch: Int
  /// How many samples there were, and were to be.
  public var count: Int
  public var expected: Int
  /// Whether their numbers are those that were to be, by a sum over all that does not depend on their order.
  public var areExpected: Bool
  /// Of how many samples it is known what random numbers changed them, and how many of these numbers differ.
  public var changes: Int
  public var distinctChanges: Int
  /// Of how many that is known in the epoch before too, and how many were changed by the same numbers there.
  public var compared: Int
  public var repeated: Int

  public init(
    step: Int, epoch: Int, count: Int, expected: Int, areExpected: Bool = true, changes: Int = 0,
    distinctChanges: Int = 0, compared: Int = 0, repeated: Int = 0
  ) {
    (self.step, self.epoch, self.count, self.expected) = (step, epoch, count, expected)
    (self.areExpected, self.changes, self.distinctChanges) = (areExpected, changes, distinctChanges)
    (self.compared, self.repeated) = (compared, repeated)
  }
}

/// A batch as its step read it, held against its samples.
public struct SampledBatch: Hashable, Sendable {
  public var step: Int
  public var samples: Int
  /// Whether all samples have equal bits in every field, and how many samples in a row before it were equal to these.
  public var areEqual: Bool
  public var equalBefore: Int
  /// A row, and whether it has the bits of its sample; nil where nobody asked.
  public var row: Int
  public var isItsSample: Bool?

  public init(
    step: Int, samples: Int, areEqual: Bool, equalBefore: Int = 0, row: Int = 0, isItsSample: Bool? = nil
  ) {
    (self.step, self.samples, self.areEqual) = (step, samples, areEqual)
    (self.equalBefore, self.row, self.isItsSample) = (equalBefore, row, isItsSample)
  }
}

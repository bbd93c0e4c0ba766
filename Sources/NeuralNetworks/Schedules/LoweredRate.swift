/// A learning rate that findings have lowered: what the schedule says times a scale.
public struct LoweredRate: Hashable, Codable, Sendable {
  /// The product of all factors so far, from the step after this many batches on, and that of before.
  public private(set) var scale = 1.0
  public private(set) var since = 0
  private var scaleBefore = 1.0
  /// The rate is never lowered below this.
  public private(set) var minimum = 0.0

  public init() {}

  /// Whether it is a number that rates can be multiplied with; files may hold anything.
  package var isPossible: Bool {
    [scale, scaleBefore].allSatisfy { (0...1).contains($0) } && minimum.isFinite && minimum >= 0
  }

  /// Lowers it from the step on that comes after so many batches. Steps may overlap, so the one that is under way keeps its
  /// rate; then so does the next one on every backend.
  public mutating func lower(by factor: Double, minimum: Double, since batches: Int) {
    (scaleBefore, since) = (scale, batches)
    (scale, self.minimum) = (scale * factor, minimum)
  }

  /// The same where no step is under way.
  public mutating func lowerAtOnce(by factor: Double, minimum: Double) {
    lower(by: factor, minimum: minimum, since: 0)
    scaleBefore = scale
  }

  /// Of the step after so many batches, where its rate is `scheduled`.
  public func learningRate(_ scheduled: Double, batch: Int) -> Double {
    let scale = batch >= since ? scale : scaleBefore
    return scale == 1 ? scheduled : max(scheduled * scale, min(scheduled, minimum))
  }
}

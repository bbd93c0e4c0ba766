/// What the first weights read is far from 1: pictures from 0 to 255 that nobody scaled, columns of a table in their own units,
/// or numbers that are all next to 0.
///
/// LeCun, Bottou, Orr and Müller, *Efficient BackProp* (1998), §4.3: inputs of mean 0 and deviation 1. Pictures from 0 to 255
/// have a root mean square of 80 and more, pictures from 0 to 1 of a third, and tables that are standardized of 1; the bound
/// of 30 lies between. What is small is judged by the largest number, since rows of a one and many zeros are healthy. Fields
/// that a normalization, an embedding or anything else but a scale reads first are not looked at.
public struct InputScale: Rule {
  public let name = "inputScale"
  /// The root mean square from which inputs are large.
  public var largestRMS: Double
  /// The largest number below which they are small.
  public var smallestMaximum: Double
  private var persistence: Persistence

  /// `observations` is how many looks in a row must show it.
  public init(largestRMS: Double = 30, smallestMaximum: Double = 0.01, observations: Int = 2) {
    (self.largestRMS, self.smallestMaximum) = (largestRMS, smallestMaximum)
    persistence = Persistence(needed: observations)
  }

  public var memory: [String: Int] {
    get { persistence.memory() }
    set { persistence.recall(newValue) }
  }

  public mutating func observe(_ rows: ProbeRows) -> Finding? {
    guard !rows.facts.inputs.isEmpty else { return nil }
    let large = rows.facts.inputs.filter { $0.rms > largestRMS }.max { $0.rms < $1.rms }
    // Of zeros alone no gradient arrives, which another rule says.
    let small = rows.facts.inputs.filter { $0.absMax > 0 && $0.absMax < smallestMaximum }.min { $0.absMax < $1.absMax }
    guard persistence.opens(large != nil || small != nil), let input = large ?? small else { return nil }
    return Finding(
      rule: name, severity: .warning, step: rows.step, layers: [], subject: input.field,
      cause: large != nil ? "large" : "small", evidence: ["rms": input.rms, "absMax": input.absMax],
      message:
        "The first weights read \(input.field) of size \(shortened(input.rms)), up to \(shortened(input.absMax)) "
        + "(root mean square; healthy: about 1): "
        + (large != nil
          ? "activations saturate or the first updates are far too large."
          : "they hardly move what the first layer answers.")
        + " Scale it: {rescaling: {scale: \(shortened(1 / input.absMax))}} first in model.layers, or of a table "
        + "data.normalize: true.")
  }
}

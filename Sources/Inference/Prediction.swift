/// What a network says of one sample.
public struct Prediction: Hashable, Sendable {
  public struct Class: Hashable, Sendable {
    public let index: Int
    public let name: String
    /// Its probability, where `Prediction.areProbabilities`; otherwise a number of which more is likelier.
    public let score: Double
  }

  /// The network's outputs, row-major, behind the gate that its loss implies.
  public let outputs: [Float]
  /// One a class; of a network with a single output p those of two classes, 1 − p and p. Empty where targets are
  /// numbers.
  public let scores: [Double]
  /// Whether the outputs come from a softmax or sigmoid.
  public let areProbabilities: Bool
  private let names: [String]

  init(outputs: [Float], isOfClasses: Bool, areProbabilities: Bool, names: [String]) {
    (self.outputs, self.areProbabilities, self.names) = (outputs, areProbabilities, names)
    let numbers = outputs.map(Double.init)
    scores = !isOfClasses ? [] : numbers.count == 1 ? [1 - numbers[0], numbers[0]] : numbers
  }

  /// The likeliest classes, of equals the lower number first, as everywhere.
  public func likeliest(_ count: Int = 5) -> [Class] {
    let best = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
    return best.prefix(count).map { Class(index: $0, name: name($0), score: scores[$0]) }
  }

  /// The likeliest class; nil where targets are numbers.
  public var best: Class? {
    guard var best = scores.indices.first else { return nil }
    for index in scores.indices where scores[index] > scores[best] { best = index }
    return Class(index: best, name: name(best), score: scores[best])
  }

  private func name(_ index: Int) -> String { index < names.count ? names[index] : "class \(index)" }
}

import SwitchbackDatasets

/// What a network says of one sample, or of one of its steps.
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
  /// numbers, or classes of the steps.
  public let scores: [Double]
  /// Of a network that was trained on a class a step what it says of each step, in their order; nil of steps that are
  /// masked. Empty of other networks.
  public let steps: [Prediction?]
  /// Whether the outputs come from a softmax or sigmoid.
  public let areProbabilities: Bool
  private let names: [String]

  /// `mask`: which steps are valid, of targets by steps; nil: all.
  init(
    outputs: [Float], _ targets: DatasetTargets, mask: [Bool]? = nil, areProbabilities: Bool, names: [String]
  ) {
    (self.outputs, self.areProbabilities, self.names) = (outputs, areProbabilities, names)
    switch targets {
    case .values: (scores, steps) = ([], [])
    case .classes:
      let numbers = outputs.map(Double.init)
      (scores, steps) = (numbers.count == 1 ? [1 - numbers[0], numbers[0]] : numbers, [])
    case .stepClasses(let count):
      let size = outputs.count / max(count, 1)
      scores = []
      steps = (0..<count).map { step in
        guard mask?[step] ?? true else { return nil }
        return Prediction(
          outputs: Array(outputs[step * size..<(step + 1) * size]), .classes, areProbabilities: areProbabilities,
          names: names)
      }
    }
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

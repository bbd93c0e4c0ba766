/// The loss takes what the last layer gives: probabilities or logits, and no softmax of a softmax.
public struct LossTakesOutput: Law {
  public let name = "lossTakesOutput"
  public init() {}

  public func breaches(in step: StepDescription) -> [Finding] {
    guard let doubt = step.doubt else { return [] }
    return [
      breach(
        .warning, layers: step.layers.suffix(1), subject: "loss", cause: "activation",
        doubt.prefix(1).uppercased() + doubt.dropFirst() + ".")
    ]
  }
}

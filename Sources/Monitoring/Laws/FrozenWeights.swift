/// No optimizer writes a weight that is not trainable, and what nothing writes keeps its bits.
public struct FrozenWeights: Law {
  public let name = "frozenWeights"
  public init() {}

  public func breaches(in step: StepDescription) -> [Finding] {
    step.weights.filter { !$0.isTrainable }.compactMap { weight in
      let count = step.updates(of: weight).count
      guard count > 0 else { return nil }
      return breach(
        layers: [weight.layer], subject: weight.name, cause: "update", evidence: ["updates": Double(count)],
        "\(weight.name) is not trainable, but an update of the optimizer writes it: the freezing is not applied. Take it "
          + "out of what the optimizer updates.")
    }
  }

  public func breaches(in state: SampledState) -> [Finding] {
    guard case .frozen(let first, let now) = state.kind, first != now else { return [] }
    return [
      breach(
        step: state.step, layers: [state.weight.layer], subject: state.weight.name, cause: "changed",
        "\(state.weight.name) is frozen and has other bits than when the run began: something writes it besides the "
          + "optimizer.")
    ]
  }
}

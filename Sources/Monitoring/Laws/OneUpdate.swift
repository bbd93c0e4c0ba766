/// Every trainable weight has exactly one update a step.
public struct OneUpdate: Law {
  public let name = "oneUpdate"
  public init() {}

  public func breaches(in step: StepDescription) -> [Finding] {
    step.weights.filter(\.isTrainable).compactMap { weight in
      let count = step.updates(of: weight).count
      guard count != 1 else { return nil }
      return breach(
        layers: [weight.layer], subject: weight.name, cause: count == 0 ? "noUpdate" : "severalUpdates",
        evidence: ["updates": Double(count)],
        count == 0
          ? "\(weight.name) is trainable, but no update of the step writes it: it keeps its first value. Give it to the "
            + "optimizer, or declare it as not trainable."
          : "\(weight.name) is written by \(count) updates in one step, so it moves by all of them. Leave one.")
    }
  }
}

/// Where gradients are to be clipped, the optimizer does not get them as they were before.
public struct ClippingApplies: Law {
  public let name = "clippingApplies"
  public init() {}

  public func breaches(in step: StepDescription) -> [Finding] {
    guard step.clips else { return [] }
    let unclipped = step.weights.filter { weight in
      guard weight.isTrainable, let gradient = weight.gradient else { return false }
      return step.updates(of: weight).contains { $0.inputs[1] == gradient }
    }
    guard let first = unclipped.first else { return [] }
    var layers: [String] = []
    for weight in unclipped where !layers.contains(weight.layer) { layers.append(weight.layer) }
    return [
      breach(
        layers: layers, subject: first.name, cause: "notApplied", evidence: ["weights": Double(unclipped.count)],
        "Clipping is configured, but the optimizer gets the gradients of \(unclipped.count) weights as they were before "
          + "it, \(first.name) the first. Give it the clipped ones.")
    ]
  }
}

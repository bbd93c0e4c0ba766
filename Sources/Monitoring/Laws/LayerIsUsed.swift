import SwitchbackPrograms

/// What a layer computes is read by the loss, or by what else the step answers.
public struct LayerIsUsed: Law {
  public let name = "layerIsUsed"
  public init() {}

  public func breaches(in step: StepDescription) -> [Finding] {
    let leads = step.leadsToOutput()
    let unused = step.layers.filter { layer in
      // A loss that takes logits may read what lies before the last gate.
      let own = step.program.calls.indices.filter {
        let call = step.program.calls[$0]
        return (call.path == layer || call.path.hasPrefix(layer + ".")) && call.probabilityGate == nil
      }
      return !own.isEmpty && !own.contains { leads[$0] }
    }
    guard !unused.isEmpty else { return [] }
    let isOne = unused.count == 1
    return [
      breach(
        .warning, layers: unused, cause: "unused", evidence: ["layers": Double(unused.count)],
        "Nothing reads what \(unused.joined(separator: ", ")) compute\(isOne ? "s" : ""): the loss is the same without "
          + "\(isOne ? "it" : "them"). Name \(isOne ? "it" : "them") among the inputs of a later layer, or leave "
          + "\(isOne ? "it" : "them") out.")
    ]
  }
}

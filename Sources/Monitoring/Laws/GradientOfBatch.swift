/// A gradient belongs to its batch alone: the same step from the same states has it again, whatever ran before.
public struct GradientOfBatch: Law {
  public let name = "gradientOfBatch"
  public init() {}

  /// A share of the norm. Kernels give the same bits again; what is left over of a batch before is of the gradient's own size.
  private static let allowed = 0.1

  public func breaches(in step: RepeatedStep) -> [Finding] {
    let others = step.gradients.filter { gradient in
      let (norm, again) = (gradient.norm, gradient.again)
      guard norm.isFinite, again.isFinite else { return false }
      return abs(norm - again) > Self.allowed * max(norm, again) && max(norm, again) > 1e-30
    }
    guard let first = others.first else { return [] }
    var layers: [String] = []
    for gradient in others where !layers.contains(gradient.weight.layer) { layers.append(gradient.weight.layer) }
    return [
      breach(
        step: step.step, layers: layers, subject: first.weight.name, cause: "notAlone",
        evidence: ["norm": first.norm, "again": first.again, "weights": Double(others.count)],
        "The gradient of \(first.weight.name) does not belong to its batch alone: its norm is \(shortened(first.norm)) in "
          + "the training, and \(shortened(first.again)) where the step is run again from the same states. Gradients of "
          + "batches before are not cleared.")
    ]
  }
}

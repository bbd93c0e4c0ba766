/// Where gradients are to be clipped, the optimizer does not get them as they were before, and what it gets is within the
/// limit.
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

  public func breaches(in update: SampledUpdate) -> [Finding] {
    guard update.isApplied, let clipping = update.clipping, let (size, limit) = Self.size(of: clipping) else {
      return []
    }
    // Norms are sums of many rounded terms; an infinite one has a rule of its own.
    guard size.isFinite, size > limit * (1 + 1e-3) else { return [] }
    return [
      breach(
        step: update.step, layers: [update.weight.layer], subject: update.weight.name, cause: "aboveLimit",
        evidence: ["size": size, "limit": limit],
        "Clipping is configured, but the gradient that the optimizer gets for \(update.weight.name) is \(shortened(size)) "
          + "where \(shortened(limit)) is the limit: the clipping is not applied.")
    ]
  }

  /// What the limit is for, and the limit; nil where nobody knows it.
  private static func size(of clipping: SampledUpdate.Clipping) -> (size: Double, limit: Double)? {
    switch clipping.limit {
    case .value(let limit): return (clipping.absMax, limit)
    case .norm(let limit): return (clipping.norm, limit)
    case .globalNorm(let limit):
      // All gradients are clipped by one factor: what it made of this one, it made of all.
      guard let before = clipping.normBefore, let total = clipping.totalBefore, before > 0 else { return nil }
      return (total * (clipping.norm / before), limit)
    }
  }
}

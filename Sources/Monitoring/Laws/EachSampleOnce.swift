/// An epoch sees each sample once, and changes each by random numbers of its own, which are others in each epoch.
public struct EachSampleOnce: Law {
  public let name = "eachSampleOnce"
  public init() {}

  public func breaches(in epoch: EpochSamples) -> [Finding] {
    var found: [Finding] = []
    if epoch.count != epoch.expected || !epoch.areExpected {
      found.append(
        breach(
          step: epoch.step, layers: [], subject: "data", cause: "otherSamples",
          evidence: ["samples": Double(epoch.count), "expected": Double(epoch.expected)],
          epoch.count == epoch.expected
            ? "Epoch \(epoch.epoch) saw \(epoch.count) samples, but not each once: some came twice, and others never."
            : "Epoch \(epoch.epoch) saw \(epoch.count) samples instead of \(epoch.expected): some came twice, or never."
        ))
    }
    if epoch.distinctChanges < epoch.changes {
      found.append(
        breach(
          step: epoch.step, layers: [], subject: "data", cause: "sameAugmentation",
          evidence: ["samples": Double(epoch.changes), "distinct": Double(epoch.distinctChanges)],
          "\(epoch.changes) samples were changed by \(epoch.distinctChanges) different random numbers in epoch "
            + "\(epoch.epoch): samples share them, as where every worker begins with one seed. Seed by the sample."))
    }
    if epoch.repeated > 0 {
      found.append(
        breach(
          step: epoch.step, layers: [], subject: "data", cause: "repeatedAugmentation",
          evidence: ["samples": Double(epoch.compared), "repeated": Double(epoch.repeated)],
          "\(epoch.repeated) of \(epoch.compared) samples were changed by the same random numbers in epoch "
            + "\(epoch.epoch) as in the one before: augmentation shows the network nothing new. Seed by the epoch."))
    }
    return found
  }
}

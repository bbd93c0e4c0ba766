/// A batch is the samples that the epoch's order gives it: no row is another sample, and it does not collapse to one.
public struct BatchOfSamples: Law {
  public let name = "batchOfSamples"
  public init() {}

  /// So many equal samples in a row are no chance, whatever the data is.
  private static let mostEqual = 32

  public func breaches(in batch: SampledBatch) -> [Finding] {
    let isItsSample = batch.isItsSample ?? true
    let equal = batch.equalBefore + batch.samples
    guard !isItsSample || batch.areEqual && equal >= Self.mostEqual else { return [] }
    // The data may be so.
    let severity: Finding.Severity = isItsSample ? .warning : .error
    guard batch.areEqual, batch.samples > 1 else {
      return [
        breach(
          severity, step: batch.step, layers: [], subject: "data", cause: "otherSample",
          evidence: ["row": Double(batch.row), "samples": Double(batch.samples)],
          "Row \(batch.row) of the batch has not the bits of its sample: it was read as another one, or written over "
            + "before the step read it.")
      ]
    }
    return [
      breach(
        severity, step: batch.step, layers: [], subject: "data", cause: "oneSample",
        evidence: ["samples": Double(isItsSample ? equal : batch.samples)],
        isItsSample
          ? "The last \(equal) samples that were looked at have equal bits, targets included: there is one sample to learn."
          : "All \(batch.samples) samples of the batch have equal bits, and the data says others: the batch has collapsed "
            + "to one sample.")
    ]
  }
}

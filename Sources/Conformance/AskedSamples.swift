import SwitchbackPrograms

extension TensorOperation {
  /// Beyond this a plain loop takes a tenth of a second, and each sample is asked a dozen times.
  private static var mostQuickFlops: Int { 10_000_000 }

  /// All cases that conformance asks; `areQuick`: none of the further ones that a plain kernel takes its time for.
  package static func askedSamples(areQuick: Bool) -> [OperationSample] {
    samples + furtherSamples.filter { !areQuick || $0.operation.cost(for: $0.inputs).flops <= mostQuickFlops }
  }
}

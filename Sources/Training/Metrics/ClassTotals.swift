/// Of each class the weight of its samples, of the samples it was predicted for, and of those of which both are true.
struct ClassTotals: Sendable {
  private(set) var actual: [Double] = []
  private(set) var predicted: [Double] = []
  private(set) var right: [Double] = []

  mutating func add(_ batch: MetricBatch) {
    guard case .classes(_, let classCount) = batch.target else { return }
    let missing = max(classCount, batch.columns / batch.steps, 2) - actual.count
    if missing > 0 {
      let zeros = [Double](repeating: 0, count: missing)
      (actual, predicted, right) = (actual + zeros, predicted + zeros, right + zeros)
    }
    batch.forEachClass { scores, truth, weight in
      let found = scores.likeliest
      actual[truth] += weight
      predicted[found] += weight
      if found == truth { right[truth] += weight }
    }
  }

  /// `share` of each class; nil of one that no sample has and that was predicted for none.
  func byClass(_ share: (_ right: Double, _ actual: Double, _ predicted: Double) -> Double) -> [Double?] {
    actual.indices.map { actual[$0] + predicted[$0] > 0 ? share(right[$0], actual[$0], predicted[$0]) : nil }
  }
}

extension [Double?] {
  /// The mean of those that are there.
  var mean: Double? {
    let known = compactMap { $0 }
    return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
  }
}

public import SwitchbackNeuralNetworks

/// R² = 1 − Σ (target − prediction)² / Σ (target − mean)², of each number of a sample, and the mean of these: 1 is perfect, 0
/// is what the mean of the targets would have. None where a number is the same in all samples.
public struct R2Score: Metric, ConfiguredMetric {
  static let rows = [MetricRow(word, help: "The share of the variance that is explained") { _ in R2Score() }]
  private static let word = "r2_score"
  public var name: String { Self.word }
  public var targets: Targets { .values }
  public var isMaximized: Bool { true }
  private var columns: [Column] = []

  /// Sums over the samples.
  private struct Column {
    /// The first target that counts: of differences from it the sums cancel less.
    var origin: Double?
    var (weight, sum, squares, errors) = (0.0, 0.0, 0.0, 0.0)
    /// Σ (target − mean)².
    var spread: Double { weight > 0 ? squares - sum * sum / weight : 0 }
  }

  public init() {}

  public mutating func add(_ batch: MetricBatch) {
    batch.forEachValue { found, right, counts, weight in
      if columns.isEmpty { columns = right.map { _ in Column() } }
      for (index, (found, right)) in zip(found, right).enumerated() where counts(index) {
        let origin = columns[index].origin ?? Double(right)
        let (distance, error) = (Double(right) - origin, Double(right) - Double(found))
        columns[index].origin = origin
        columns[index].weight += weight
        columns[index].sum += weight * distance
        columns[index].squares += weight * distance * distance
        columns[index].errors += weight * error * error
      }
    }
  }

  /// Σ (target − prediction)² / Σ (target − mean)² over all numbers of a sample together; nil where none of them varies.
  var missedVariance: Double? {
    let spread = columns.reduce(0) { $0 + $1.spread }
    return spread > 0 ? columns.reduce(0) { $0 + $1.errors } / spread : nil
  }

  public var value: Double? {
    let counted = columns.filter { $0.weight > 0 }
    guard !counted.isEmpty else { return nil }
    let scores = counted.map { $0.spread > 0 ? 1 - $0.errors / $0.spread : nil }
    return scores.contains(nil) ? nil : scores.mean
  }
}

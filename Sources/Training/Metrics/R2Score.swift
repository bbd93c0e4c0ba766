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
  private var weight = 0.0

  /// Sums over the samples.
  private struct Column {
    /// The first target: of differences from it the sums cancel less.
    let origin: Double
    var (sum, squares, errors) = (0.0, 0.0, 0.0)

    init(origin: Double) { self.origin = origin }
  }

  public init() {}

  public mutating func add(_ batch: MetricBatch) {
    batch.forEachValue { found, right, weight in
      if columns.isEmpty { columns = right.map { Column(origin: Double($0)) } }
      self.weight += weight
      for (index, (found, right)) in zip(found, right).enumerated() {
        let (distance, error) = (Double(right) - columns[index].origin, Double(right) - Double(found))
        columns[index].sum += weight * distance
        columns[index].squares += weight * distance * distance
        columns[index].errors += weight * error * error
      }
    }
  }

  public var value: Double? {
    guard weight > 0 else { return nil }
    let scores = columns.map { column -> Double? in
      let spread = column.squares - column.sum * column.sum / weight
      return spread > 0 ? 1 - column.errors / spread : nil
    }
    return scores.contains(nil) ? nil : scores.mean
  }
}

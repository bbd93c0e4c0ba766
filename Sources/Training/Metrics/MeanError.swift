public import SwitchbackNeuralNetworks

/// The mean of |prediction − target| or of its square, over the numbers of a sample and over the samples. Of masked steps
/// over the valid ones, and samples without any are left out.
public struct MeanError: Metric, ConfiguredMetric {
  public enum Measure: Sendable { case absolute, squared }

  static let rows = [
    MetricRow("mean_absolute_error", help: "The mean distance from the target") { _ in MeanError(.absolute) },
    MetricRow("mean_squared_error", help: "The mean squared distance from the target") { _ in MeanError(.squared) },
  ]
  public let measure: Measure
  public var name: String { measure == .absolute ? "mean_absolute_error" : "mean_squared_error" }
  public var targets: Targets { .values }
  public var isMaximized: Bool { false }
  private var (sum, weight) = (0.0, 0.0)

  public init(_ measure: Measure) { self.measure = measure }

  public mutating func add(_ batch: MetricBatch) {
    batch.forEachValue { found, right, counts, weight in
      var (errors, counted) = (0.0, 0)
      for (column, (found, right)) in zip(found, right).enumerated() where counts(column) {
        counted += 1
        let difference = Double(found) - Double(right)
        errors += measure == .absolute ? abs(difference) : difference * difference
      }
      sum += weight * errors / Double(max(counted, 1))
      self.weight += weight
    }
  }

  public var value: Double? { weight > 0 ? sum / weight : nil }
}

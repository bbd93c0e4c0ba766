public import SwitchbackNeuralNetworks

/// Of the samples that are of a class or that it was predicted for, the share of which both are true; the mean over the
/// classes that have such a sample (the Jaccard index).
public struct MeanIntersectionOverUnion: Metric, ConfiguredMetric {
  static let rows = [
    MetricRow(word, help: "What is rightly of a class by all that is or was taken for it; the mean over classes") { _ in
      MeanIntersectionOverUnion()
    }
  ]
  private static let word = "mean_io_u"
  public var name: String { Self.word }
  public var targets: Targets { .classes }
  public var isMaximized: Bool { true }
  private var totals = ClassTotals()

  public init() {}

  public mutating func add(_ batch: MetricBatch) { totals.add(batch) }

  public var byClass: [Double?] { totals.byClass { $0 / ($1 + $2 - $0) } }
  public var value: Double? { byClass.mean }
}

public import SwitchbackNeuralNetworks

/// Of the samples that a class was predicted for, the share that is of it; the mean over the classes that some sample has or
/// was taken for. Of a class that was predicted for none it is 0.
public struct Precision: Metric, ConfiguredMetric {
  static let rows = [
    MetricRow(word, help: "Of what was taken for a class the share that is of it; the mean over classes") { _ in
      Precision()
    }
  ]
  private static let word = "precision"
  public var name: String { Self.word }
  public var targets: Targets { .classes }
  public var isMaximized: Bool { true }
  private var totals = ClassTotals()

  public init() {}

  public mutating func add(_ batch: MetricBatch) { totals.add(batch) }

  public var byClass: [Double?] { totals.byClass { right, _, predicted in predicted > 0 ? right / predicted : 0 } }
  public var value: Double? { byClass.mean }
}

/// Of the samples of a class, the share that it was predicted for; the mean over the classes that some sample has or was
/// taken for. Of a class without a sample it is 0.
public struct Recall: Metric, ConfiguredMetric {
  static let rows = [
    MetricRow(word, help: "Of what is of a class the share that was taken for it; the mean over classes") { _ in
      Recall()
    }
  ]
  private static let word = "recall"
  public var name: String { Self.word }
  public var targets: Targets { .classes }
  public var isMaximized: Bool { true }
  private var totals = ClassTotals()

  public init() {}

  public mutating func add(_ batch: MetricBatch) { totals.add(batch) }

  public var byClass: [Double?] { totals.byClass { right, actual, _ in actual > 0 ? right / actual : 0 } }
  public var value: Double? { byClass.mean }
}

/// 2·precision·recall / (precision + recall) of each class; the mean over the classes that some sample has or was taken for.
public struct F1Score: Metric, ConfiguredMetric {
  static let rows = [
    MetricRow(word, help: "The harmonic mean of precision and recall; the mean over classes") { _ in F1Score() }
  ]
  private static let word = "f1_score"
  public var name: String { Self.word }
  public var targets: Targets { .classes }
  public var isMaximized: Bool { true }
  private var totals = ClassTotals()

  public init() {}

  public mutating func add(_ batch: MetricBatch) { totals.add(batch) }

  public var byClass: [Double?] { totals.byClass { 2 * $0 / ($1 + $2) } }
  public var value: Double? { byClass.mean }
}

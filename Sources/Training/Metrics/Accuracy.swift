public import SwitchbackNeuralNetworks

/// The share of samples whose likeliest class is right.
public struct Accuracy: Metric, ConfiguredMetric {
  static let rows = [MetricRow(word, help: "The share of samples whose class is the likeliest") { _ in Accuracy() }]
  static let word = "accuracy"
  public var name: String { Self.word }
  public var targets: Targets { .classes }
  public var isMaximized: Bool { true }
  private var (right, weight) = (0.0, 0.0)

  public init() {}

  public mutating func add(_ batch: MetricBatch) {
    batch.forEachClass { scores, truth, weight in
      self.weight += weight
      if scores.likeliest == truth { right += weight }
    }
  }

  public var value: Double? { weight > 0 ? right / weight : nil }
}

/// The share of samples whose class is among the `k` likeliest.
public struct TopKCategoricalAccuracy: Metric, ConfiguredMetric {
  static let rows = [
    MetricRow(word, help: "The share of samples whose class is among the k likeliest") {
      TopKCategoricalAccuracy(k: $0.int("k", 5, in: 1...1 << 20, help: "How many classes are looked at"))
    }
  ]
  private static let word = "top_k_categorical_accuracy"
  public let k: Int
  public var name: String { Self.word }
  public var targets: Targets { .classes }
  public var isMaximized: Bool { true }
  private var (right, weight) = (0.0, 0.0)

  public init(k: Int = 5) { self.k = k }

  public mutating func add(_ batch: MetricBatch) {
    batch.forEachClass { scores, truth, weight in
      self.weight += weight
      if scores.rank(of: truth) < k { right += weight }
    }
  }

  public var value: Double? { weight > 0 ? right / weight : nil }
}

/// A metric that a configuration can name. Its file says its words and keys.
protocol ConfiguredMetric: Metric {
  /// Keras's words, each with what reads the keys behind it.
  static var rows: [MetricRow] { get }
}

/// A word of `metrics`.
struct MetricRow: Sendable {
  let word: String
  /// In one line.
  let help: String
  let read: @Sendable (SectionReader) -> any Metric

  init(_ word: String, help: String, _ read: @escaping @Sendable (SectionReader) -> any Metric) {
    (self.word, self.help, self.read) = (word, help, read)
  }
}

/// All metrics that a configuration can name: the only list of them.
enum MetricCatalog {
  static let all: [any ConfiguredMetric.Type] = [
    Accuracy.self, TopKCategoricalAccuracy.self, Precision.self, Recall.self, F1Score.self,
    MeanIntersectionOverUnion.self, Perplexity.self, MeanError.self, R2Score.self,
  ]
  static let rows = all.flatMap { $0.rows }
}

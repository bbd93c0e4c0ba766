import SwitchbackNeuralNetworks

/// A metric that has a share for each class, of how often the class was right, occurred and was predicted; its value is
/// their mean.
protocol ClassShare: ConfiguredMetric {
  static var word: String { get }
  /// In one line.
  static var help: String { get }
  var totals: ClassTotals { get set }
  init()
  /// Of a class that occurred or was predicted.
  static func share(_ right: Double, of actual: Double, _ predicted: Double) -> Double
}

extension ClassShare {
  static var rows: [MetricRow] { [MetricRow(word, help: help) { _ in Self() }] }
  public var name: String { Self.word }
  public var targets: Targets { .classes }
  public var isMaximized: Bool { true }
  public mutating func add(_ batch: MetricBatch) { totals.add(batch) }
  public var byClass: [Double?] { totals.byClass { Self.share($0, of: $1, $2) } }
  public var value: Double? { byClass.mean }
}

import Foundation
public import SwitchbackNeuralNetworks

/// exp of the mean of −ln p, where p is the probability that the network gives the right class: among so many equally likely
/// ones it chooses. Probabilities are kept 1e-7 away from 0 and 1, as the losses do.
public struct Perplexity: Metric, ConfiguredMetric {
  static let rows = [MetricRow(word, help: "e to the mean cross-entropy") { _ in Perplexity() }]
  private static let word = "perplexity"
  /// Keras's `epsilon`.
  private static let closest = 1e-7
  public var name: String { Self.word }
  public var targets: Targets { .classes }
  public var isMaximized: Bool { false }
  private var (information, weight) = (0.0, 0.0)

  public init() {}

  public mutating func add(_ batch: MetricBatch) {
    batch.forEachClass { scores, truth, weight in
      let probability = Double(scores.probability(of: truth))
      self.weight += weight
      information -= weight * log(min(max(probability, Self.closest), 1 - Self.closest))
    }
  }

  public var value: Double? { weight > 0 ? exp(information / weight) : nil }
}

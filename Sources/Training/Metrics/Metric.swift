public import SwitchbackNeuralNetworks

/// How right a network is about one target, as a number: an empty one is given batch after batch, and has the value over
/// all of their samples. Sums are in Float64, so the value does not depend on how samples were put into batches beyond
/// their rounding; counts are exact.
///
///     struct Bias: Metric {
///       let name = "bias", targets = Targets.values, isMaximized = false
///       private var sum = 0.0, weight = 0.0
///       mutating func add(_ batch: MetricBatch) { … }
///       var value: Double? { weight > 0 ? sum / weight : nil }
///     }
public protocol Metric: Sendable {
  /// Keras's word, which is the name of its column.
  var name: String { get }
  /// What it can judge.
  var targets: Targets { get }
  /// Whether it should rise, as an accuracy does.
  var isMaximized: Bool { get }
  mutating func add(_ batch: MetricBatch)
  /// Over all samples so far; nil where they do not settle it.
  var value: Double? { get }
  /// The same of each class, by its number; empty where there is no such thing.
  var byClass: [Double?] { get }
}

extension Metric {
  public var byClass: [Double?] { [] }
}

/// What a network said of a batch, and what is right.
public struct MetricBatch: Sendable {
  /// What is right.
  public enum Target: Sendable {
    /// The class of each sample, of so many classes; or of each step of every sample, `[N, T]`, each judged like a sample.
    case classes([Int32], count: Int)
    /// Numbers shaped like the predictions.
    case values([Float])
  }

  /// `[N, columns]`, behind the gate that the loss implies. Of classes a column each, or one whose class is 1 above one half;
  /// of classes by steps `[N, T, …]`.
  public let predictions: [Float]
  public let target: Target
  /// How much each sample counts, `[N]`; nil: 1.
  public let weights: [Float]?
  /// Of predictions by steps, which of these are valid, `[N, T]`: the others count for nothing; nil: all are.
  public let mask: [Bool]?
  /// Samples.
  public let count: Int
  /// Predictions of a sample.
  public let columns: Int
  /// Of classes by steps, how many of a sample; else 1.
  public let steps: Int

  /// A batch of `count` samples.
  public init(
    _ predictions: [Float], _ target: Target, weights: [Float]? = nil, mask: [Bool]? = nil, count: Int
  ) {
    let targets =
      switch target {
      case .classes(let labels, _):
        labels.count % max(count, 1) == 0 && (count > 0 || labels.isEmpty) && labels.count >= count
          && predictions.count % max(labels.count, 1) == 0 && mask.map { $0.count == labels.count } ?? true
      case .values(let values): values.count == predictions.count
      }
    precondition(
      targets && predictions.count % max(count, 1) == 0 && weights?.count ?? count == count
        && mask.map { !$0.isEmpty && $0.count % max(count, 1) == 0 && predictions.count % $0.count == 0 } ?? true,
      "\(predictions.count) predictions of \(count) samples")
    (self.predictions, self.target, self.weights) = (predictions, target, weights)
    (self.mask, self.count) = (mask, count)
    columns = predictions.count / max(count, 1)
    if case .classes(let labels, _) = target { steps = max(labels.count / max(count, 1), 1) } else { steps = 1 }
  }

  public func weight(_ row: Int) -> Double { weights.map { Double($0[row]) } ?? 1 }

  /// Calls `body` with each sample of a class, or each valid step: its predictions, its class and its sample's weight. A
  /// class that nobody counts is left out.
  func forEachClass(_ body: (_ scores: ClassScores, _ truth: Int, _ weight: Double) -> Void) {
    guard case .classes(let labels, let classCount) = target else { return }
    let columns = columns / steps
    for (row, label) in labels.enumerated() where label >= 0 && label < classCount && mask?[row] ?? true {
      body(ClassScores(values: predictions[row * columns..<(row + 1) * columns]), Int(label), weight(row / steps))
    }
  }

  /// Calls `body` with each sample that has numbers for a target: predictions, targets, which of these count, and weight.
  /// One without a valid step is left out.
  func forEachValue(
    _ body: (
      _ found: ArraySlice<Float>, _ right: ArraySlice<Float>, _ counts: (_ column: Int) -> Bool, _ weight: Double
    ) -> Void
  ) {
    guard case .values(let values) = target else { return }
    for row in 0..<count {
      let place = row * columns..<(row + 1) * columns
      guard let mask else {
        body(predictions[place], values[place], { _ in true }, weight(row))
        continue
      }
      let steps = mask.count / count
      let valid = mask[row * steps..<(row + 1) * steps]
      guard valid.contains(true) else { continue }
      body(predictions[place], values[place], { valid[row * steps + $0 * steps / columns] }, weight(row))
    }
  }
}

/// What a network said of a sample's class. Of equals the lower class counts as the likelier, and NaN as the likeliest: as
/// `argmax` has it.
struct ClassScores {
  let values: ArraySlice<Float>

  /// The class that was predicted.
  var likeliest: Int {
    if values.count == 1 { return values[values.startIndex] > 0.5 ? 1 : 0 }
    var best = values.startIndex
    for place in values.indices where Self.isLikelier(values[place], than: values[best]) { best = place }
    return best - values.startIndex
  }

  /// How many classes are likelier than this one.
  func rank(of truth: Int) -> Int {
    if values.count == 1 { return likeliest == truth ? 0 : 1 }
    guard truth < values.count else { return values.count }
    let score = values[values.startIndex + truth]
    var rank = 0
    for (column, other) in values.enumerated() where column != truth {
      if Self.isLikelier(other, than: score) || column < truth && !Self.isLikelier(score, than: other) { rank += 1 }
    }
    return rank
  }

  /// The probability of a class.
  func probability(of truth: Int) -> Float {
    if values.count == 1 { return truth == 1 ? values[values.startIndex] : 1 - values[values.startIndex] }
    return truth < values.count ? values[values.startIndex + truth] : 0
  }

  private static func isLikelier(_ a: Float, than b: Float) -> Bool { a > b || a.isNaN && !b.isNaN }
}

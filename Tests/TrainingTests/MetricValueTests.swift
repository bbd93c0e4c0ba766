import Foundation
import SwitchbackNeuralNetworks
import SwitchbackTraining
import Testing

/// Nine samples of three classes, each predicted with the score 1: truths and what they were taken for.
private let truths: [Int32] = [0, 0, 0, 0, 1, 1, 1, 2, 2]
private let found = [0, 0, 0, 1, 1, 1, 0, 2, 1]

private func scores(_ predicted: some Sequence<Int>, classes: Int) -> [Float] {
  predicted.flatMap { column in (0..<classes).map { $0 == column ? Float(1) : 0 } }
}

/// The metric over the samples in batches of these sizes.
private func value(
  _ metric: some Metric, _ predictions: [Float], _ labels: [Int32], classes: Int, columns: Int, weights: [Float]? = nil,
  batches: [Int]? = nil
) -> Double? {
  filled(metric, predictions, labels, classes: classes, columns: columns, weights: weights, batches: batches).value
}

private func filled<M: Metric>(
  _ metric: M, _ predictions: [Float], _ labels: [Int32], classes: Int, columns: Int, weights: [Float]? = nil,
  batches: [Int]? = nil
) -> M {
  var (metric, first) = (metric, 0)
  for count in batches ?? [labels.count] {
    let rows = first..<first + count
    metric.add(
      MetricBatch(
        Array(predictions[rows.lowerBound * columns..<rows.upperBound * columns]),
        .classes(Array(labels[rows]), count: classes), weights: weights.map { Array($0[rows]) }, count: count))
    first += count
  }
  return metric
}

private func value(
  _ metric: some Metric, _ predictions: [Float], _ targets: [Float], count: Int, weights: [Float]? = nil,
  mask: [Bool]? = nil
) -> Double? {
  var metric = metric
  metric.add(MetricBatch(predictions, .values(targets), weights: weights, mask: mask, count: count))
  return metric.value
}

@Suite("Metrics, by their closed forms")
struct MetricValueTests {
  private func judged(_ metric: some Metric, weights: [Float]? = nil, batches: [Int]? = nil) -> Double? {
    value(metric, scores(found, classes: 3), truths, classes: 3, columns: 3, weights: weights, batches: batches)
  }

  @Test("accuracy, precision, recall, F1 and intersection over union of nine samples, by class and their means")
  func classes() throws {
    func near(_ value: Double?, _ expected: Double) -> Bool { abs((value ?? .nan) - expected) < 1e-15 }
    #expect(near(judged(Accuracy()), 6.0 / 9))
    // Of class 0: 3 right of 4, predicted 4 times; 1: 2 of 3, predicted 4 times; 2: 1 of 2, predicted once.
    #expect(near(judged(Precision()), (3.0 / 4 + 2.0 / 4 + 1) / 3))
    #expect(near(judged(Recall()), (3.0 / 4 + 2.0 / 3 + 1.0 / 2) / 3))
    #expect(near(judged(F1Score()), (6.0 / 8 + 4.0 / 7 + 2.0 / 3) / 3))
    #expect(near(judged(MeanIntersectionOverUnion()), (3.0 / 5 + 2.0 / 5 + 1.0 / 2) / 3))
    let precision = filled(Precision(), scores(found, classes: 3), truths, classes: 3, columns: 3)
    #expect(precision.byClass == [0.75, 0.5, 1])
  }

  @Test("a class that no sample has and that was predicted for none is no part of a mean; one of these alone counts 0")
  func absent() {
    let labels: [Int32] = [0, 0, 1]
    let recall = filled(Recall(), scores([0, 2, 1], classes: 4), labels, classes: 4, columns: 4)
    // Class 2 was predicted and no sample has it; class 3 is in neither.
    #expect(recall.byClass == [0.5, 1, 0, nil] && recall.value == 0.5)
    let precision = filled(Precision(), scores([0, 0, 0], classes: 4), labels, classes: 4, columns: 4)
    #expect(precision.byClass == [2.0 / 3, 0, nil, nil] && precision.value == 1.0 / 3)
  }

  @Test("a weight of two is two samples and a weight of zero is none; whatever the batches, the value is the same")
  func weights() throws {
    let weights: [Float] = [2, 0, 1, 1, 2, 1, 0, 1, 2]
    var rows: [Int] = []
    for (row, weight) in weights.enumerated() { rows += [Int](repeating: row, count: Int(weight)) }
    let repeated = rows.map { truths[$0] }
    let predicted = scores(rows.map { found[$0] }, classes: 3)
    let metrics: [any Metric] = [
      Accuracy(), TopKCategoricalAccuracy(k: 2), Precision(), Recall(), F1Score(), MeanIntersectionOverUnion(),
      Perplexity(),
    ]
    for metric in metrics {
      let weighted = judged(metric, weights: weights)
      let once = value(metric, predicted, repeated, classes: 3, columns: 3)
      #expect(abs(try #require(weighted) - (try #require(once))) < 1e-12 * abs(once ?? 1), "\(metric.name)")
      #expect(judged(metric, weights: weights, batches: [4, 4, 1]) == weighted, "\(metric.name)")
      #expect(judged(metric, batches: [1, 2, 6]) == judged(metric), "\(metric.name)")
      #expect(judged(metric, weights: [Float](repeating: 0, count: 9)) == nil, "\(metric.name)")
    }
    // The confusion matrix counts samples, without those of no weight.
    let matrix = filled(
      ConfusionMatrix(classCount: 3), scores(found, classes: 3), truths, classes: 3, columns: 3, weights: weights)
    #expect(matrix.confusion == [2, 1, 0, 0, 2, 0, 0, 1, 1] && matrix.value == nil)
  }

  @Test("classes of steps are judged as samples are: the valid ones alone, with their sample's weight")
  func steps() {
    func judged<M: Metric>(_ metric: M, weights: [Float]? = nil, mask: [Bool]? = nil) -> M {
      var metric = metric
      metric.add(
        MetricBatch(
          scores([0, 1, 0, 1, 1, 0], classes: 2), .classes([0, 1, 1, 1, 0, 0], count: 2), weights: weights, mask: mask,
          count: 2))
      return metric
    }
    let mask = [true, true, false, true, true, true]
    #expect(judged(Accuracy()).value == 4.0 / 6 && judged(Accuracy(), mask: mask).value == 4.0 / 5)
    #expect(judged(Accuracy(), weights: [2, 1], mask: mask).value == 6.0 / 7)
    #expect(judged(Precision(), mask: mask).byClass == [1, 2.0 / 3])
    let matrix = judged(ConfusionMatrix(classCount: 2), mask: mask)
    #expect(matrix.confusion == [2, 1, 0, 2] && matrix.sampleCount == 5)
    #expect(judged(ConfusionMatrix(classCount: 2), weights: [0, 1], mask: mask).sampleCount == 3)
    #expect(judged(Accuracy(), mask: [Bool](repeating: false, count: 6)).value == nil)
  }

  @Test("the k likeliest, where equals stand in the order of their classes")
  func topK() {
    let rows: [Float] = [0.1, 0.4, 0.3, 0.2, 0.25, 0.25, 0.25, 0.25]
    func share(_ k: Int, _ labels: [Int32]) -> Double? {
      value(TopKCategoricalAccuracy(k: k), rows, labels, classes: 4, columns: 4)
    }
    #expect(share(1, [1, 0]) == 1 && share(1, [2, 1]) == 0)
    #expect(share(2, [2, 1]) == 1 && share(2, [3, 2]) == 0 && share(3, [3, 2]) == 1)
    #expect(share(4, [0, 3]) == 1)
  }

  @Test("NaN is the likeliest, as argmax has it, so a network that answers NaN is not right by it")
  func nan() {
    let rows: [Float] = [.nan, .nan, .nan, 0.5, .nan, 0.1]
    #expect(value(Accuracy(), rows, [1, 0], classes: 3, columns: 3) == 0)
    #expect(value(Accuracy(), rows, [0, 1], classes: 3, columns: 3) == 1)
    #expect(value(TopKCategoricalAccuracy(k: 1), rows, [1, 0], classes: 3, columns: 3) == 0)
    #expect(value(Perplexity(), rows, [0, 0], classes: 3, columns: 3)?.isNaN == true)
  }

  @Test("one column is the probability of class 1")
  func single() throws {
    let (rows, labels): ([Float], [Int32]) = ([0.75, 0.25, 0.5, 0.75], [1, 0, 0, 0])
    #expect(value(Accuracy(), rows, labels, classes: 2, columns: 1) == 0.75)
    let expected = exp(-(2 * log(0.75) + log(0.5) + log(0.25)) / 4)
    let perplexity = try #require(value(Perplexity(), rows, labels, classes: 2, columns: 1))
    #expect(abs(perplexity - expected) < 1e-12)
  }

  @Test("perplexity is the number of equally likely classes, and finite for a probability of zero")
  func perplexity() throws {
    let even = try #require(
      value(Perplexity(), [Float](repeating: 0.25, count: 12), [0, 3, 1], classes: 4, columns: 4))
    #expect(abs(even - 4) < 1e-12)
    let wrong = try #require(value(Perplexity(), [0, 1], [0], classes: 2, columns: 2))
    #expect(abs(wrong - 1e7) < 1)
  }

  @Test("absolute and squared errors are means over the numbers of a sample, then over samples by their weights")
  func errors() {
    let (predictions, targets): ([Float], [Float]) = ([1, 2, 3, 5], [0, 4, 3, 1])
    #expect(value(MeanError(.absolute), predictions, targets, count: 2) == 1.75)
    #expect(value(MeanError(.squared), predictions, targets, count: 2) == 5.25)
    #expect(value(MeanError(.squared), predictions, targets, count: 2, weights: [3, 1]) == 3.875)
    // The steps that count are the first of the one sample, both of the other, and none.
    let mask = [true, false, true, true]
    #expect(value(MeanError(.absolute), predictions, targets, count: 2, mask: mask) == 1.5)
    #expect(value(MeanError(.squared), predictions, targets, count: 2, mask: [false, false, true, true]) == 8)
    #expect(value(MeanError(.squared), predictions, targets, count: 2, mask: [false, false, false, false]) == nil)
    #expect(value(MeanError(.squared), predictions, targets, count: 2, mask: [true, false]) == 2.5)
  }

  @Test("R² is 1 for what is right, 0 for the mean, none of a constant, and as exact far from zero")
  func r2() throws {
    let targets: [Float] = [1, 2, 3, 6]
    #expect(value(R2Score(), targets, targets, count: 4) == 1)
    #expect(value(R2Score(), [3, 3, 3, 3], targets, count: 4) == 0)
    // 1 − (1 + 0 + 1 + 4) / 14
    #expect(abs(try #require(value(R2Score(), [2, 2, 2, 4], targets, count: 4)) - (1 - 6.0 / 14)) < 1e-15)
    #expect(value(R2Score(), [1, 2], [5, 5], count: 2) == nil)
    let far = targets.map { $0 + 4_000_000 }
    let near = try #require(value(R2Score(), far.map { $0 + 1 }, far, count: 4))
    #expect(abs(near - (1 - 4.0 / 14)) < 1e-15)
    // Two numbers a sample: the mean of both, 1 and 1 − 4 / 2.
    let two = try #require(value(R2Score(), [1, 0, 3, 0], [1, 0, 3, 2], count: 2))
    #expect(two == 0)
    // Weighted: the mean is 1·0.75 + 5·0.25 = 2, the spread 0.75 + 9·0.25 = 3 a weight of 1.
    let weighted = try #require(value(R2Score(), [2, 5], [1, 5], count: 2, weights: [3, 1]))
    #expect(abs(weighted - (1 - 3.0 / 12)) < 1e-15)
    // Of two steps the first counts in two samples, the second in the other two: 1 − 1 / 2 and 1.
    let mask = [true, false, true, false, false, true, false, true]
    let (found, right): ([Float], [Float]) = ([1, 9, 4, .nan, 9, 5, 9, 6], [1, .nan, 3, 9, 9, 5, .nan, 6])
    let masked = try #require(value(R2Score(), found, right, count: 4, mask: mask))
    #expect(abs(masked - 0.75) < 1e-15)
  }
}

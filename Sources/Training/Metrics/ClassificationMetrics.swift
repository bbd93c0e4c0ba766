/// How a model's predictions of classes compare with the labels, gathered batch by batch.
public struct ClassificationMetrics: Hashable, Sendable, Codable {
  public let classCount: Int
  /// `[true class][predicted class]`, row-major: how many samples.
  public private(set) var confusion: [Int]
  /// For each k from 1: how many samples have the true class among the k likeliest. Of equals the lower class counts
  /// as the likelier.
  public private(set) var rightWithin: [Int]

  /// `predictions` have a column a class, or a single column whose class is 1 above one half.
  public init(classCount: Int) {
    self.classCount = classCount
    confusion = [Int](repeating: 0, count: classCount * classCount)
    rightWithin = [Int](repeating: 0, count: min(classCount, 5))
  }

  /// Adds a batch: predictions `[N, columns]` and labels `[N]`.
  package mutating func add(predictions: UnsafeBufferPointer<Float>, labels: UnsafeBufferPointer<Int32>) {
    guard !labels.isEmpty else { return }
    let columns = predictions.count / labels.count
    for (row, label) in labels.enumerated() where label >= 0 && label < classCount {
      let scores = UnsafeBufferPointer(rebasing: predictions[row * columns..<(row + 1) * columns])
      let truth = Int(label)
      if columns == 1 {
        let predicted = scores[0] > 0.5 ? 1 : 0
        confusion[truth * classCount + predicted] += 1
        for k in rightWithin.indices where predicted == truth || k > 0 { rightWithin[k] += 1 }
        continue
      }
      var (best, rank) = (0, 0)
      for column in 0..<columns {
        if scores[column] > scores[best] { best = column }
        if scores[column] > scores[truth] || (scores[column] == scores[truth] && column < truth) { rank += 1 }
      }
      confusion[truth * classCount + best] += 1
      for k in rightWithin.indices where rank <= k { rightWithin[k] += 1 }
    }
  }

  public var sampleCount: Int { confusion.reduce(0, +) }

  /// The share of samples whose class is among the k likeliest; nil where there are not more than k classes.
  public func topAccuracy(_ k: Int) -> Double? {
    guard k >= 1, k <= rightWithin.count, k < classCount else { return nil }
    return Double(rightWithin[k - 1]) / Double(max(sampleCount, 1))
  }

  /// Of the samples of a class, the share that was found; nil where there are none.
  public func recall(_ index: Int) -> Double? {
    share(
      confusion[index * classCount + index], of: (0..<classCount).reduce(0) { $0 + confusion[index * classCount + $1] })
  }

  /// Of the predictions of a class, the share that was right; nil where there are none.
  public func precision(_ index: Int) -> Double? {
    share(
      confusion[index * classCount + index], of: (0..<classCount).reduce(0) { $0 + confusion[$1 * classCount + index] })
  }

  private func share(_ part: Int, of whole: Int) -> Double? { whole == 0 ? nil : Double(part) / Double(whole) }
}

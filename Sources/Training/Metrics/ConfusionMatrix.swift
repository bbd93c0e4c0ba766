public import SwitchbackNeuralNetworks

/// Who was taken for whom: how many samples of each class were predicted to be of which. Only the cells that occur are kept:
/// as many as there are samples at the most, however many classes there are.
///
/// It counts samples, so a weight matters only where it is 0: such a sample is left out.
public struct ConfusionMatrix: Hashable, Sendable {
  public let classCount: Int
  /// How many samples, by true class · classCount + predicted class.
  private var occurring: [Int: Int] = [:]
  /// Samples of each class, and predictions of each.
  private var sampleCounts: [Int]
  private var predictionCounts: [Int]
  /// For each k from 1: how many samples have the true class among the k likeliest. Of equals the lower class counts
  /// as the likelier.
  public private(set) var rightWithin: [Int]

  public init(classCount: Int) {
    self.classCount = classCount
    sampleCounts = [Int](repeating: 0, count: classCount)
    predictionCounts = sampleCounts
    rightWithin = [Int](repeating: 0, count: min(classCount, 5))
  }

  private mutating func count(_ truth: Int, takenFor predicted: Int, _ samples: Int = 1) {
    occurring[truth * classCount + predicted, default: 0] += samples
    sampleCounts[truth] += samples
    predictionCounts[predicted] += samples
  }

  public var sampleCount: Int { sampleCounts.reduce(0, +) }
  /// Samples of a class, and predictions of it.
  public func samples(of index: Int) -> Int { sampleCounts[index] }
  public func predictions(of index: Int) -> Int { predictionCounts[index] }

  // MARK: Who was taken for whom

  /// Samples of one class for which one class was predicted.
  public struct Cell: Hashable, Sendable {
    public var truth: Int
    public var predicted: Int
    public var samples: Int
  }

  /// The cells of the confusion matrix that are not 0, by true class, then by predicted class.
  public var cells: [Cell] {
    occurring.keys.sorted().map { place in
      Cell(truth: place / classCount, predicted: place % classCount, samples: occurring[place] ?? 0)
    }
  }

  /// How many samples of a class were taken for another, or for itself.
  public func samples(of truth: Int, takenFor predicted: Int) -> Int { occurring[truth * classCount + predicted] ?? 0 }

  /// `[true class][predicted class]`, row-major: classCount² numbers, so only for few classes.
  public var confusion: [Int] {
    var matrix = [Int](repeating: 0, count: classCount * classCount)
    for (place, samples) in occurring { matrix[place] = samples }
    return matrix
  }

  /// Of each class the others that it was taken for, the most frequent first, of equals the lower class.
  public var mistakes: [[Cell]] {
    var mistakes = [[Cell]](repeating: [], count: classCount)
    for cell in cells where cell.truth != cell.predicted { mistakes[cell.truth].append(cell) }
    for index in mistakes.indices { mistakes[index].sort { ($1.samples, $0.predicted) < ($0.samples, $1.predicted) } }
    return mistakes
  }

  // MARK: Shares

  /// The share of samples whose class is among the k likeliest; nil where there are not more than k classes.
  public func topAccuracy(_ k: Int) -> Double? {
    guard k >= 1, k <= rightWithin.count, k < classCount else { return nil }
    return Double(rightWithin[k - 1]) / Double(max(sampleCount, 1))
  }

  /// Of the samples of a class, the share that was found; nil where there are none.
  public func recall(_ index: Int) -> Double? { share(samples(of: index, takenFor: index), of: sampleCounts[index]) }

  /// Of the predictions of a class, the share that was right; nil where there are none.
  public func precision(_ index: Int) -> Double? {
    share(samples(of: index, takenFor: index), of: predictionCounts[index])
  }

  private func share(_ part: Int, of whole: Int) -> Double? { whole == 0 ? nil : Double(part) / Double(whole) }
}

extension ConfusionMatrix: Metric {
  public var name: String { "confusion_matrix" }
  public var targets: Targets { .classes }
  public var isMaximized: Bool { true }
  /// It is no single number.
  public var value: Double? { nil }

  public mutating func add(_ batch: MetricBatch) {
    batch.forEachClass { scores, truth, weight in
      let found = scores.likeliest
      guard weight > 0, max(truth, found) < classCount else { return }
      count(truth, takenFor: found)
      let rank = scores.rank(of: truth)
      for k in rightWithin.indices where rank <= k { rightWithin[k] += 1 }
    }
  }
}

extension ConfusionMatrix: Codable {
  private enum CodingKeys: String, CodingKey { case classCount, confusion, cells, rightWithin }

  /// Up to so many classes the matrix is written whole, row by row, as `confusion`; above, as `cells`: `[true class,
  /// predicted class, samples]` of each cell that is not 0, by the classes' order. (Runs without a record have it
  /// whole; both are read, whatever the number of classes.)
  public static let largestWholeMatrix = 64

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(classCount, forKey: .classCount)
    try container.encode(rightWithin, forKey: .rightWithin)
    if classCount <= Self.largestWholeMatrix {
      try container.encode(confusion, forKey: .confusion)
    } else {
      try container.encode(cells.map { [$0.truth, $0.predicted, $0.samples] }, forKey: .cells)
    }
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    func fault(_ key: CodingKeys, _ words: String) -> DecodingError {
      .dataCorruptedError(forKey: key, in: container, debugDescription: words)
    }
    let count = try container.decode(Int.self, forKey: .classCount)
    // As many as a network can have outputs: a hostile number takes no memory.
    guard (1...1 << 20).contains(count) else { throw fault(.classCount, "\(count) classes") }
    self.init(classCount: count)
    rightWithin = try container.decode([Int].self, forKey: .rightWithin)
    if let matrix = try container.decodeIfPresent([Int].self, forKey: .confusion) {
      guard matrix.count == count * count, matrix.allSatisfy({ $0 >= 0 && $0 <= Int32.max }) else {
        throw fault(.confusion, "no \(count) x \(count) numbers of samples")
      }
      for (place, samples) in matrix.enumerated() where samples > 0 {
        self.count(place / count, takenFor: place % count, samples)
      }
    } else {
      for cell in try container.decode([[Int]].self, forKey: .cells) {
        guard cell.count == 3, (0..<count).contains(cell[0]), (0..<count).contains(cell[1]),
          (1...Int(Int32.max)).contains(cell[2])
        else { throw fault(.cells, "\(cell) is no cell of \(count) classes") }
        self.count(cell[0], takenFor: cell[1], cell[2])
      }
    }
  }
}

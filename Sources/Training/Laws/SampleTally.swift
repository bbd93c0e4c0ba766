import SwitchbackDatasets
import SwitchbackMonitoring

/// Counts the samples of an epoch. Nothing is allocated for a step.
struct SampleTally {
  /// Samples so far and the sum over them; nil in an epoch whose beginning nobody saw.
  private var count: Int?
  private var sum: UInt64 = 0
  /// Samples of the data: with others a run that goes on in the middle of an epoch has another one.
  private var of = 0
  /// The random numbers of the samples of the lowest numbers, in this epoch and in the one before.
  private var changes: [UInt64?]
  private var changesBefore: [UInt64?]

  /// How many samples' random numbers are watched.
  private static let watched = 256

  init() {
    changes = [UInt64?](repeating: nil, count: Self.watched)
    changesBefore = changes
  }

  /// For a checkpoint: what an epoch that was interrupted has seen.
  var memory: [String: Int] {
    get { count.map { ["samples": $0, "sum": Int(bitPattern: UInt(truncatingIfNeeded: sum)), "of": of] } ?? [:] }
    set {
      count = newValue["samples"].flatMap { $0 >= 0 ? $0 : nil }
      sum = UInt64(UInt(bitPattern: newValue["sum"] ?? 0))
      of = newValue["of"] ?? 0
      // Of samples that are seen again, after a run went back.
      for place in changes.indices { (changes[place], changesBefore[place]) = (nil, nil) }
    }
  }

  /// At the start of an epoch.
  mutating func begin(_ dataset: any Dataset) {
    (count, sum, of) = (0, 0, dataset.count)
    swap(&changes, &changesBefore)
    for place in changes.indices { changes[place] = nil }
  }

  /// The samples of a step's batch.
  mutating func add(_ batch: ArraySlice<Int32>, of dataset: any Dataset) {
    guard let known = count else { return }
    count = known &+ batch.count
    for index in batch {
      sum &+= Self.mixed(index)
      if index < Self.watched, index >= 0 { changes[Int(index)] = dataset.randomNumbers(of: Int(index)) }
    }
  }

  /// At the end of a whole epoch; nil where nobody saw its beginning.
  func samples(step: Int, epoch: Int, _ order: BatchOrder, of dataset: any Dataset, dropsLast: Bool) -> EpochSamples? {
    guard let count, of == dataset.count else { return nil }
    var (expected, expectedSum) = (of, UInt64(0))
    if dropsLast {
      // Which ones are left out, the order alone knows.
      expected = 0
      for batch in 0..<order.batchCount {
        expected += order.batch(batch).count
        for index in order.batch(batch) { expectedSum &+= Self.mixed(index) }
      }
    } else {
      for index in 0..<Int32(of) { expectedSum &+= Self.mixed(index) }
    }
    let known = changes.compactMap { $0 }
    let both = zip(changes, changesBefore).filter { $0 != nil && $1 != nil }
    return EpochSamples(
      step: step, epoch: epoch, count: count, expected: expected, areExpected: sum == expectedSum,
      changes: known.count, distinctChanges: Set(known).count, compared: both.count,
      repeated: both.count { $0.0 == $0.1 })
  }

  /// SplitMix64's mixing (Steele, Lea and Flood 2014, figure 16): sums of other numbers differ.
  private static func mixed(_ index: Int32) -> UInt64 {
    var z = UInt64(truncatingIfNeeded: index) &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// The adding problem (Hochreiter and Schmidhuber 1997, section 5.4), as Le, Jaitly and Hinton 2015 pose it: a sequence
/// of T steps of two numbers, of which the first is uniform in [0, 1) and the second 1 at two steps and 0 at all others; to
/// be learnt is the sum of the two marked numbers. One mark lies in the first half of the steps, the other in the second
/// (Arjovsky, Shah and Bengio 2016, section 4). Whoever always says 1 has a mean squared error of 1/6.
///
/// Nothing is read: a sample follows from `seed` and its number. The field `sequence` is f32 `[T, 2]`, the target `labels`
/// f32 `[1]`.
public struct AddingProblem: MadeProblem {
  /// T, at least 2.
  public var sequenceLength: Int
  /// Samples of all parts.
  public var count: Int
  public var seed: Int
  /// The share of the samples that is for testing: the last ones.
  public var testSplit: Double

  /// What configurations call it.
  public static let word = "adding-problem"
  /// What a configuration may ask for: more is a slip of the pen.
  package static let lengths = 2...1 << 20
  package static let counts = 2...1 << 30

  public init(sequenceLength: Int, count: Int = 10_000, seed: Int = 1, testSplit: Double = 0.2) {
    (self.sequenceLength, self.count, self.seed, self.testSplit) = (sequenceLength, count, seed, testSplit)
  }

  /// Makes nothing yet. Parts are ranges of the samples' numbers: first those for training, then for validation, then for
  /// testing.
  public func open(_ request: DatasetRequest = DatasetRequest()) throws(DatasetError) -> DatasetParts {
    try parts(request)
  }

  var fields: [Field] { [Field(Field.sequence, .float32, [sequenceLength, 2]), .labels(.values(1))] }

  var fault: String? {
    Self.lengths.contains(sequenceLength) && Self.counts.contains(count)
      ? nil
      : "the adding problem has no \(count) samples of \(sequenceLength) steps: it needs two of each, and a "
        + "sequence has at most \(Self.lengths.upperBound), the data \(Self.counts.upperBound)"
  }

  var record: DatasetRecord {
    DatasetRecord(
      source: Self.word, inputs: [.init(Field.sequence, [sequenceLength, 2])],
      learnt: [.init(Field.labels, .values(1))],
      identity: "\(Self.word) 1: sequence_length \(sequenceLength), samples \(count), seed \(seed)")
  }

  func make(_ random: inout SplitMix64, row: Int, into batch: BatchMemory) {
    let steps = batch[0, row].bindMemory(to: Float.self)
    for step in 0..<sequenceLength { (steps[2 * step], steps[2 * step + 1]) = (random.nextUniform(), 0) }
    let half = sequenceLength / 2
    let (first, second) = (random.next(below: half), half + random.next(below: sequenceLength - half))
    (steps[2 * first + 1], steps[2 * second + 1]) = (1, 1)
    batch[1, row].storeBytes(of: steps[2 * first] + steps[2 * second], as: Float.self)
  }
}

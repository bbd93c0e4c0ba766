/// The copy problem, after Hochreiter and Schmidhuber 1997, section 5, as Arjovsky, Shah and Bengio 2016 pose it (section
/// 4.1): a sequence of T + 20 steps begins with ten symbols, each one of eight, drawn uniformly; blanks follow, but for a mark
/// at the step T + 10 (counted from 1). To be learnt, step by step, are blanks, and behind the mark the ten symbols in
/// their order. Whoever remembers nothing says blank up to the mark and then each symbol with probability 1/8: a mean
/// cross-entropy of 10·ln 8 / (T + 20).
///
/// Nothing is read: a sample follows from `seed` and its number. The field `sequence` is f32 `[T + 20, 10]`, one-hot: the
/// eight symbols, the blank, the mark. The target `labels` is i32 `[T + 20]`, a class a step: the symbols and the blank.
public struct CopyProblem: MadeProblem {
  /// T, at least 1: how many steps lie between the last symbol and the first one that is asked for, the mark among them.
  public var delay: Int
  /// Samples of all parts.
  public var count: Int
  public var seed: Int
  /// The share of the samples that is for testing: the last ones.
  public var testSplit: Double

  /// What configurations call it.
  public static let word = "copy-problem"
  /// What a configuration may ask for: more is a slip of the pen.
  package static let delays = 1...1_000_000
  package static let counts = AddingProblem.counts
  /// How many symbols are to be remembered, and how many there are.
  private static let (remembered, symbols) = (10, 8)
  /// What stands for nothing, and what asks for the symbols.
  private static let (blank, mark) = (symbols, symbols + 1)

  public init(delay: Int, count: Int = 10_000, seed: Int = 1, testSplit: Double = 0.2) {
    (self.delay, self.count, self.seed, self.testSplit) = (delay, count, seed, testSplit)
  }

  /// T + 20
  public var sequenceLength: Int { delay + 2 * Self.remembered }

  /// Makes nothing yet. Parts are ranges of the samples' numbers: first those for training, then for validation, then for
  /// testing.
  public func open(_ request: DatasetRequest = DatasetRequest()) throws(DatasetError) -> DatasetParts {
    try parts(request)
  }

  var fields: [Field] {
    [Field(Field.sequence, .float32, [sequenceLength, Self.mark + 1]), .labels(.stepClasses(sequenceLength))]
  }

  var classNames: [String] { (1...Self.symbols).map { "\($0)" } + ["blank"] }

  var fault: String? {
    Self.delays.contains(delay) && Self.counts.contains(count)
      ? nil
      : "the copy problem has no \(count) samples with a delay of \(delay) steps: it needs two samples and one step, and "
        + "a delay is at most \(Self.delays.upperBound), the data \(Self.counts.upperBound)"
  }

  var record: DatasetRecord {
    DatasetRecord(
      source: Self.word, inputs: [.init(Field.sequence, [sequenceLength, Self.mark + 1])],
      learnt: [.init(Field.labels, .stepClasses(sequenceLength), classNames: classNames)],
      identity: "\(Self.word) 1: delay \(delay), samples \(count), seed \(seed)")
  }

  func make(_ random: inout SplitMix64, row: Int, into batch: BatchMemory) {
    let (steps, labels) = (batch[0, row].bindMemory(to: Float.self), batch[1, row].bindMemory(to: Int32.self))
    let (kinds, marked) = (Self.mark + 1, delay + Self.remembered - 1)
    for element in steps.indices { steps[element] = 0 }
    for step in 0..<sequenceLength {
      labels[step] = Int32(Self.blank)
      guard step >= Self.remembered else { continue }
      steps[step * kinds + (step == marked ? Self.mark : Self.blank)] = 1
    }
    for place in 0..<Self.remembered {
      let symbol = random.next(below: Self.symbols)
      steps[place * kinds + symbol] = 1
      labels[marked + 1 + place] = Int32(symbol)
    }
  }
}

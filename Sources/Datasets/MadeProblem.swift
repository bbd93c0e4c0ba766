/// A problem whose samples are made: nothing is read, since a sample follows from `seed` and its number.
protocol MadeProblem: Hashable, Sendable {
  /// What configurations call it.
  static var word: String { get }
  /// Samples of all parts.
  var count: Int { get }
  var seed: Int { get }
  /// The share of the samples that is for testing: the last ones.
  var testSplit: Double { get }
  var fields: [Field] { get }
  /// In the order of the class numbers; empty where targets are numbers.
  var classNames: [String] { get }
  /// Why there is no such problem; nil where there is.
  var fault: String? { get }
  /// What says all of its samples takes the place of a checksum; the number behind the word is raised where the same
  /// settings make others.
  var record: DatasetRecord { get }
  /// Writes all fields of one sample, drawn with `random`. Allocates nothing.
  func make(_ random: inout SplitMix64, row: Int, into batch: BatchMemory)
}

extension MadeProblem {
  var classNames: [String] { [] }
  var layout: DatasetLayout { MadeSamples(problem: self, range: 0..<0).layout }

  /// Makes nothing yet. Parts are ranges of the samples' numbers: first those for training, then for validation, then for
  /// testing.
  func parts(_ request: DatasetRequest) throws(DatasetError) -> DatasetParts {
    if let fault { throw DatasetError(.invalid, fault) }
    let split = OrderedSplit(count, test: testSplit, validation: request.validationSplit)
    guard !split.train.isEmpty, !split.test.isEmpty else {
      throw DatasetError(
        .invalid,
        "of \(count) samples none is for \(split.test.isEmpty ? "testing" : "training"): set more of them (data.samples), or "
          + "other shares (data.test_split \(testSplit), data.validation_split \(request.validationSplit))")
    }
    func samples(_ range: Range<Int>) -> MadeSamples<Self> { MadeSamples(problem: self, range: range) }
    return DatasetParts(
      train: samples(split.train), validation: split.validation.isEmpty ? nil : samples(split.validation),
      test: samples(split.test), record: record
    ).counted(request, testSplit: testSplit)
  }
}

/// A range of its samples, each made when it is asked for.
struct MadeSamples<Problem: MadeProblem>: Dataset {
  let problem: Problem
  /// Their numbers among all.
  let range: Range<Int>

  var count: Int { range.count }
  var fields: [Field] { problem.fields }
  var classNames: [String] { problem.classNames }

  func read(_ index: Int, row: Int, into batch: BatchMemory) {
    var random = SplitMix64(state: 0)
    random.mix(UInt64(bitPattern: Int64(problem.seed)))
    random.mix(UInt64(range.lowerBound + index))
    problem.make(&random, row: row, into: batch)
  }
}

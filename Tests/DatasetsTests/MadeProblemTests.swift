import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

/// A problem whose samples are made, with what its record says of it.
private struct Problem: CustomTestStringConvertible {
  /// 500 samples.
  let source: DatasetSource
  let reseeded: DatasetSource
  /// Each with another seed, length or number of samples.
  let others: [DatasetSource]
  let identity: String
  let shape: [Int]
  let targets: DatasetTargets
  /// With 20 samples.
  let divided: @Sendable (_ testSplit: Double) -> DatasetSource

  var testDescription: String { source.name }
}

private let problems = [
  Problem(
    source: .adding(AddingProblem(sequenceLength: 11, count: 500, seed: 3)),
    reseeded: .adding(AddingProblem(sequenceLength: 11, count: 500, seed: 4)),
    others: [
      .adding(AddingProblem(sequenceLength: 11, count: 500, seed: -9)),
      .adding(AddingProblem(sequenceLength: 12, count: 500, seed: 3)),
      .adding(AddingProblem(sequenceLength: 11, count: 501, seed: 3)),
    ],
    identity: "adding-problem 1: sequence_length 11, samples 500, seed 3", shape: [11, 2], targets: .values(1)
  ) { .adding(AddingProblem(sequenceLength: 11, count: 20, testSplit: $0)) },
  Problem(
    source: .copying(CopyProblem(delay: 3, count: 500, seed: 3)),
    reseeded: .copying(CopyProblem(delay: 3, count: 500, seed: 4)),
    others: [
      .copying(CopyProblem(delay: 3, count: 500, seed: -9)), .copying(CopyProblem(delay: 4, count: 500, seed: 3)),
      .copying(CopyProblem(delay: 3, count: 501, seed: 3)),
    ],
    identity: "copy-problem 1: delay 3, samples 500, seed 3", shape: [23, 10], targets: .stepClasses(23)
  ) { .copying(CopyProblem(delay: 3, count: 20, testSplit: $0)) },
]

private func samples(_ data: any Dataset) throws -> [[String: [Double]]] {
  try (0..<data.count).map { try data.numbers([Int32($0)]) }
}

/// What holds for every problem whose samples are made; what each makes is asked beside.
@Suite("Made problems")
struct MadeProblemTests {
  @Test("parts are ranges that do not overlap, the same for the same seed and others for another", arguments: problems)
  fileprivate func parts(_ problem: Problem) throws {
    let request = DatasetRequest(validationSplit: 0.25)
    let parts = try problem.source.open(request)
    #expect(parts.train.count == 300 && parts.validation?.count == 100 && parts.test.count == 100)
    let all = try samples(parts.all)
    #expect(Set(all).count == 500)
    #expect(try samples(problem.source.open(request).all) == all)
    #expect(try Set(samples(problem.reseeded.open(request).all)).isDisjoint(with: all))
    // What is held out for validation leaves the test part as it was.
    #expect(try samples(problem.source.open().test) == samples(parts.test))
  }

  @Test("the record says what makes the samples, reads back, and tells what makes others", arguments: problems)
  fileprivate func record(_ problem: Problem) throws {
    let (source, parts) = (problem.source, try problem.source.open())
    let record = try #require(parts.record)
    #expect(record.fault == nil && record.source == source.name && record.layout == parts.train.layout)
    #expect(record.identity == problem.identity)
    #expect(record.words == ["samples: train 400, test 100"])
    #expect(try JSONDecoder().decode(DatasetRecord.self, from: JSONEncoder().encode(record)) == record)
    #expect(try source.path == nil && source.layout() == record.layout)
    let samples = try source.samples()
    #expect(samples.shape == problem.shape && samples.targets == problem.targets)
    let again = try source.open(DatasetRequest(record: record)).record
    #expect(again?.differences(since: record) == [])
    for other in problem.others {
      #expect(try other.open().record?.differences(since: record).isEmpty == false, "\(other)")
    }
    let check = try source.check()
    #expect(check.isRight && check.parts.map(\.count) == [400, 100])
  }

  @Test("shares that leave a part without samples are an error that says what to set", arguments: problems)
  fileprivate func shares(_ problem: Problem) {
    for split in [0, 0.001, 1, Double.nan, -5, 1e300] {
      let error = #expect(throws: DatasetError.self) { try problem.divided(split).open() }
      #expect(error?.message.contains("data.test_split") == true, "\(split)")
    }
  }
}

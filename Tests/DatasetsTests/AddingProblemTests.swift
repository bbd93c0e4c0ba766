import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

/// A sample's steps and target.
private struct Sample: Hashable {
  var steps: [Double]
  var target: Double

  var marks: [Int] { (0..<steps.count / 2).filter { steps[2 * $0 + 1] == 1 } }
}

private func samples(_ data: any Dataset) throws -> [Sample] {
  try (0..<data.count).map { index in
    let numbers = try data.numbers([Int32(index)])
    return Sample(
      steps: try #require(numbers[Field.sequence]), target: try #require(numbers[Field.labels]?.first))
  }
}

@Suite struct AddingProblemTests {
  private let problem = AddingProblem(sequenceLength: 11, count: 500, seed: 3)

  @Test("each sequence has one mark in each half, and its target is the sum of what they mark")
  func law() throws {
    let parts = try problem.open(DatasetRequest(validationSplit: 0.1))
    #expect(parts.train.fields == [Field("sequence", .float32, [11, 2]), Field("labels", .float32, [1])])
    let all = try samples(parts.all)
    for sample in all {
      #expect(sample.marks.count == 2 && sample.marks[0] < 5 && sample.marks[1] >= 5)
      for step in 0..<11 {
        let (number, mark) = (sample.steps[2 * step], sample.steps[2 * step + 1])
        #expect(number >= 0 && number < 1 && (mark == 0 || mark == 1))
      }
      let sum = sample.marks.map { Float(sample.steps[2 * $0]) }.reduce(0, +)
      #expect(sample.target == Double(sum))
    }
    // Every place is marked; a uniform number has mean 1/2 and the sum of two variance 1/6, both known to a few hundredths.
    #expect(Set(all.flatMap(\.marks)) == Set(0..<11))
    let targets = all.map(\.target)
    let mean = targets.reduce(0, +) / 500
    let variance = targets.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 500
    #expect(abs(mean - 1) < 0.06 && abs(variance - 1 / 6.0) < 0.03, "\(mean) \(variance)")
  }

  @Test("parts are ranges that do not overlap, the same for the same seed and others for another")
  func parts() throws {
    let request = DatasetRequest(validationSplit: 0.25)
    let parts = try problem.open(request)
    #expect(parts.train.count == 300 && parts.validation?.count == 100 && parts.test.count == 100)
    let all = try samples(parts.all)
    #expect(Set(all).count == 500)
    #expect(try samples(problem.open(request).all) == all)
    var other = problem
    other.seed = 4
    #expect(try Set(samples(other.open(request).all)).isDisjoint(with: all))
    // What is held out for validation leaves the test part as it was.
    #expect(try samples(problem.open().test) == samples(parts.test))
  }

  @Test("the record says what makes the samples, reads back, and tells another seed, length and number")
  func record() throws {
    let record = try #require(try problem.open().record)
    #expect(
      try record.fault == nil && record.source == "adding-problem" && record.layout == problem.open().train.layout)
    #expect(record.identity == "adding-problem 1: sequence_length 11, samples 500, seed 3")
    #expect(record.words == ["samples: train 400, test 100"])
    #expect(try JSONDecoder().decode(DatasetRecord.self, from: JSONEncoder().encode(record)) == record)
    #expect(try DatasetSource.adding(problem).layout() == record.layout)
    #expect(try DatasetSource.adding(problem).samples().shape == [11, 2])
    let again = try problem.open(DatasetRequest(record: record)).record
    #expect(again?.differences(since: record) == [])
    for change: (inout AddingProblem) -> Void in [{ $0.seed = -9 }, { $0.sequenceLength = 12 }, { $0.count = 501 }] {
      var other = problem
      change(&other)
      #expect(try other.open().record?.differences(since: record).isEmpty == false)
    }
  }

  @Test("what no problem can be is an error that says what to set")
  func mistakes() throws {
    for (length, count) in [(1, 500), (11, 1), (-3, 500), (Int.max, 500), (11, Int.max), (11, Int.min)] {
      let error = #expect(throws: DatasetError.self) {
        try AddingProblem(sequenceLength: length, count: count).open()
      }
      #expect(error?.message.contains("has no \(count) samples of \(length) steps") == true)
    }
    for split in [0, 0.001, 1, Double.nan, -5, 1e300] {
      let error = #expect(throws: DatasetError.self) {
        try AddingProblem(sequenceLength: 11, count: 20, testSplit: split).open()
      }
      #expect(error?.message.contains("data.test_split") == true, "\(split)")
    }
    let check = try DatasetSource.adding(problem).check()
    #expect(check.isRight && check.parts.map(\.count) == [400, 100])
  }
}

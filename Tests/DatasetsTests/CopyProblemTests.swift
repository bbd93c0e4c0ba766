import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

/// What a sample's steps are, from 0 to 9, and their classes.
private struct Sample: Hashable {
  var steps: [Int]
  var classes: [Int]
}

private func samples(_ data: any Dataset) throws -> [Sample] {
  try (0..<data.count).map { index in
    let numbers = try data.numbers([Int32(index)])
    let sequence = try #require(numbers[Field.sequence])
    let steps = stride(from: 0, to: sequence.count, by: 10).map { first in
      let step = sequence[first..<first + 10]
      #expect(step.filter { $0 == 1 }.count == 1 && step.filter { $0 == 0 }.count == 9)
      return (step.firstIndex(of: 1) ?? first) - first
    }
    return Sample(steps: steps, classes: try #require(numbers[Field.labels]).map { Int($0) })
  }
}

@Suite struct CopyProblemTests {
  private let problem = CopyProblem(delay: 3, count: 500, seed: 3)

  @Test("ten symbols stand at the beginning and are the classes behind the mark; all else is blank")
  func law() throws {
    let parts = try problem.open(DatasetRequest(validationSplit: 0.1))
    #expect(problem.sequenceLength == 23)
    #expect(parts.train.fields == [Field("sequence", .float32, [23, 10]), Field("labels", .int32, [23])])
    let names = (1...8).map { "\($0)" } + ["blank"]
    #expect(parts.train.layout.targets == [.init("labels", .stepClasses(23), classNames: names)])
    #expect(parts.train.labels.isEmpty && parts.train.classes(of: "labels").isEmpty)
    let all = try samples(parts.all)
    var counts = [Int](repeating: 0, count: 8)
    for sample in all {
      let symbols = Array(sample.steps.prefix(10))
      #expect(symbols.allSatisfy { $0 < 8 })
      #expect(sample.steps == symbols + [8, 8, 9] + [Int](repeating: 8, count: 10))
      #expect(sample.classes == [Int](repeating: 8, count: 13) + symbols)
      for symbol in symbols { counts[symbol] += 1 }
    }
    // 5,000 symbols: of each kind 625, with a deviation of 23.
    #expect(counts.allSatisfy { abs($0 - 625) < 120 }, "\(counts)")
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
    #expect(try samples(problem.open().test) == samples(parts.test))
  }

  @Test("the record says what makes the samples, reads back, and tells another seed, delay and number")
  func record() throws {
    let record = try #require(try problem.open().record)
    #expect(
      try record.fault == nil && record.source == "copy-problem" && record.layout == problem.open().train.layout)
    #expect(record.identity == "copy-problem 1: delay 3, samples 500, seed 3")
    #expect(record.words == ["samples: train 400, test 100"])
    #expect(try JSONDecoder().decode(DatasetRecord.self, from: JSONEncoder().encode(record)) == record)
    let source = DatasetSource.copying(problem)
    #expect(try source.name == "copy-problem" && source.path == nil && source.layout() == record.layout)
    #expect(try source.samples().shape == [23, 10] && source.samples().targets == .stepClasses(23))
    let again = try problem.open(DatasetRequest(record: record)).record
    #expect(again?.differences(since: record) == [])
    for change: (inout CopyProblem) -> Void in [{ $0.seed = -9 }, { $0.delay = 4 }, { $0.count = 501 }] {
      var other = problem
      change(&other)
      #expect(try other.open().record?.differences(since: record).isEmpty == false)
    }
  }

  @Test("what no problem can be is an error that says what to set")
  func mistakes() throws {
    for (delay, count) in [(0, 500), (3, 1), (-3, 500), (Int.max, 500), (3, Int.max), (3, Int.min)] {
      let error = #expect(throws: DatasetError.self) { try CopyProblem(delay: delay, count: count).open() }
      #expect(error?.message.contains("has no \(count) samples with a delay of \(delay) steps") == true)
    }
    let error = #expect(throws: DatasetError.self) { try CopyProblem(delay: 3, count: 20, testSplit: 0).open() }
    #expect(error?.message.contains("data.test_split") == true)
    let check = try DatasetSource.copying(problem).check()
    #expect(check.isRight && check.parts.map(\.count) == [400, 100])
  }
}

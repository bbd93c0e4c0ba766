import SwitchbackDatasets
import Testing

/// What a sample's steps are, from 0 to 9, and their classes.
private struct Sample {
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

  @Test("what no problem can be is an error that says what to set")
  func mistakes() throws {
    for (delay, count) in [(0, 500), (3, 1), (-3, 500), (Int.max, 500), (3, Int.max), (3, Int.min)] {
      let error = #expect(throws: DatasetError.self) { try CopyProblem(delay: delay, count: count).open() }
      #expect(error?.message.contains("has no \(count) samples with a delay of \(delay) steps") == true)
    }
  }
}

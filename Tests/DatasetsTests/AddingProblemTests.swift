import SwitchbackDatasets
import Testing

/// A sample's steps and target.
private struct Sample {
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

  @Test("what no problem can be is an error that says what to set")
  func mistakes() throws {
    for (length, count) in [(1, 500), (11, 1), (-3, 500), (Int.max, 500), (11, Int.max), (11, Int.min)] {
      let error = #expect(throws: DatasetError.self) {
        try AddingProblem(sequenceLength: length, count: count).open()
      }
      #expect(error?.message.contains("has no \(count) samples of \(length) steps") == true)
    }
  }
}

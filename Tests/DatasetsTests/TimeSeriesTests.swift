import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func file(_ text: String) throws -> String { try write(text.utf8, to: temporaryFolder() + "/series.csv") }

private func message<Answer>(_ body: () throws -> Answer) -> String {
  (#expect(throws: DatasetError.self) { _ = try body() })?.message ?? ""
}

/// Of step `n` the columns are a date, n, 2n + 1 and n².
private func table(_ count: Int) -> String {
  "day,n,odd,square\n" + (0..<count).map { "d\($0),\($0),\(2 * $0 + 1),\($0 * $0)\n" }.joined()
}

private func series(
  _ count: Int = 100, window: Int = 4, horizon: Int = 1, stride: Int = 1, normalized: Bool = false
) throws -> TimeSeries {
  TimeSeries(
    path: try file(table(count)), columns: ["n", "odd"], targets: ["square"], window: window, horizon: horizon,
    stride: stride, isNormalized: normalized)
}

/// The first step of each window, which is checked to be what it should be.
private func starts(_ data: any Dataset, _ series: TimeSeries) throws -> [Int] {
  try (0..<data.count).map { index in
    let sample = try data.numbers([Int32(index)])
    let steps = try #require(sample["series"])
    let start = Int(steps[0])
    let expected = (start..<start + series.window).flatMap { step -> [Double] in [Double(step), Double(2 * step + 1)] }
    #expect(steps == expected)
    let target = Double(start + series.window - 1 + series.horizon)
    #expect(sample["labels"] == [target * target])
    return start
  }
}

@Suite struct TimeSeriesTests {
  @Test(
    "windows begin every stride, targets stand a horizon behind, and neither leaves its part",
    arguments: [(1, 1), (3, 2), (7, 5)])
  func windows(horizon: Int, stride: Int) throws {
    let made = try series(horizon: horizon, stride: stride)
    let parts = try made.open(DatasetRequest(validationSplit: 0.25))
    #expect(parts.train.fields == [Field("series", .float32, [4, 2]), Field("labels", .float32, [1])])
    let all = [parts.train, try #require(parts.validation), parts.test]
    for (part, steps) in zip(all, [0..<60, 60..<80, 80..<100]) {
      let found = try starts(part, made)
      let last = steps.upperBound - 4 - horizon
      #expect(found == Array(Swift.stride(from: steps.lowerBound, through: last, by: stride)))
    }
  }

  @Test("columns are normalized by the training part alone, which the record says; targets stay what stands there")
  func normalization() throws {
    let parts = try series(normalized: true).open()
    let record = try #require(parts.record)
    let normalization = record.inputs[0].normalization
    // Of 0…79: the mean 39.5, the variance (80² − 1) / 12.
    let deviation = (6399.0 / 12).squareRoot()
    #expect(abs(normalization[0].mean - 39.5) < 1e-9 && abs(normalization[0].deviation - deviation) < 1e-9)
    #expect(abs(normalization[1].mean - 80) < 1e-9 && abs(normalization[1].deviation - 2 * deviation) < 1e-9)
    let first = try parts.test.numbers([0])
    #expect(first["series"]?[0] == Double(Float((80 - 39.5) / deviation)) && first["labels"] == [84 * 84])
    #expect(record.inputs[0].features == ["n", "odd"] && record.labels == ["square"] && record.fault == nil)
    #expect(record.series == .init(horizon: 1, stride: 1) && record.layout == parts.train.layout)
    #expect(try JSONDecoder().decode(DatasetRecord.self, from: JSONEncoder().encode(record)) == record)
  }

  @Test("a trained network's columns and normalization go for other files, wherever they stand there")
  func known() throws {
    let made = try series(normalized: true)
    let record = try #require(try made.open().record)
    var later = made
    later.path = try file("odd,square,n\n" + (0..<9).map { "\(2 * $0 + 1),\($0 * $0),\($0)\n" }.joined())
    later.testSplit = 0.9
    let found = try later.open(DatasetRequest(record: record, mayLackParts: true))
    #expect(found.record?.inputs == record.inputs)
    let sample = try found.test.numbers([0])
    #expect(sample["series"]?[0] == Double(Float(record.inputs[0].normalization[0](1))) && sample["labels"] == [25])
    later.window = 5
    #expect(
      message { try later.open(DatasetRequest(record: record, mayLackParts: true)) }
        .contains("trained with windows of 4 steps and a horizon of 1, and the configuration says 5 and 1"))
    let other = try #require(try AddingProblem(sequenceLength: 4).open().record)
    #expect(message { try made.open(DatasetRequest(record: other)) }.contains("trained on no time series"))
    var stepped = made
    stepped.stride = 2
    #expect(try stepped.open().record?.differences(since: record).contains("data.stride: 2, not 1") == true)
  }

  @Test("a window that is longer than a part is an error that says how long it may be")
  func tooLong() throws {
    let error = message { try series(window: 20).open() }
    #expect(
      error.contains("the test part has 20 of the 100 steps, and a window of 20 with its target 1 behind it needs 21"))
    #expect(error.contains("data.window"))
    #expect(message { try series(window: 200).open() }.contains("the training part has 80 of the 100 steps"))
    #expect(
      message { try series(window: 10).open(DatasetRequest(validationSplit: 0.1)) }
        .contains("the validation part has 8 of the 100 steps"))
    #expect(try series(window: 19).open().test.count == 1)
    let none = try series(window: 200).open(DatasetRequest(mayLackParts: true))
    #expect(none.train.count == 0 && none.test.count == 0)
    for (window, horizon, stride) in [(0, 1, 1), (1, 0, 1), (1, 1, 0), (.max, 1, 1), (1, .max, 1), (1, 1, -1)] {
      #expect(
        message { try series(window: window, horizon: horizon, stride: stride).open() }
          .contains("window, horizon and stride are from 1 to"))
    }
  }

  @Test("what a column is, and what it is not, is said with its place")
  func mistakes() throws {
    var made = try series()
    made.columns = []
    #expect(
      message { try made.open() }.hasPrefix(
        "\(made.path):2:1: \"d0\" is no finite number (column day; a series holds numbers"))
    made.columns = ["n", "nothing"]
    #expect(message { try made.open() }.contains("there is no column nothing (data.columns); columns are day, n, odd"))
    made.columns = ["n", "1"]
    #expect(message { try made.open() }.contains("data.columns names the column n twice"))
    (made.columns, made.targets) = (["n"], ["x"])
    #expect(message { try made.open() }.contains("there is no column x (data.target)"))
    made.targets = []
    #expect(message { try made.open() }.contains("needs a column that is to be learnt"))
    made = try series()
    try write((table(20) + "d,1,2\n").utf8, to: made.path)
    #expect(message { try made.open() }.hasPrefix("\(made.path):22:1: the row has 3 fields, and the first has 4"))
    try write((table(20) + "d,1,1e39,2\n").utf8, to: made.path)
    #expect(message { try made.open() }.hasPrefix("\(made.path):22:5: \"1e39\" is no finite number"))
    made.isNormalized = true
    try write(
      ("day,n,odd,square\n" + "d,1,1e308,0\nd,1,-1e308,0\n" + String(repeating: "d,1,1e308,0\n", count: 40)).utf8,
      to: made.path)
    #expect(message { try made.open() }.contains("the numbers of column odd are too large to be normalized"))
    #expect(message { try TimeSeries(path: "/nowhere.csv", targets: ["x"], window: 1).open() }.contains("No such file"))
    try write("day,n,odd,square\n".utf8, to: made.path)
    #expect(message { try made.open() }.contains("has no rows of data"))
  }

  @Test("without names columns go by places; a target may be read too, and several are learnt")
  func places() throws {
    let text = (0..<40).map { "\($0);\($0 + 100)\n" }.joined()
    let made = TimeSeries(
      path: try file(text), targets: ["1", "0"], window: 2, horizon: 3, hasHeader: false, delimiter: UInt8(ascii: ";"),
      isNormalized: false)
    let parts = try made.open()
    #expect(try parts.train.numbers([5]) == ["series": [5, 105, 6, 106], "labels": [109, 9]])
    #expect(
      parts.record?.columnCount == 2 && parts.record?.fault == nil && parts.record?.inputs[0].features == ["0", "1"])
    #expect(try DatasetSource.series(made).layout() == parts.train.layout)
    let check = try DatasetSource.series(made).check()
    #expect(check.isRight && check.contents == parts.record?.identity)
  }

  @Test("a record whose windows cannot be is told")
  func hostile() throws {
    let record = try #require(try series(normalized: true).open().record)
    let text = String(decoding: try JSONEncoder().encode(record), as: UTF8.self)
    for (from, to) in [
      ("\"horizon\":1", "\"horizon\":0"), ("\"stride\":1", "\"stride\":-1"), ("\"shape\":[4,2]", "\"shape\":[4,3]"),
      ("\"features\":[\"n\",\"odd\"]", "\"features\":[\"n\"]"), ("\"inputFields\":[{", "\"inputFields\":[],\"x\":[{"),
    ] {
      let changed = text.replacingOccurrences(of: from, with: to)
      try #require(changed != text, "\(from)")
      #expect(try JSONDecoder().decode(DatasetRecord.self, from: Data(changed.utf8)).fault != nil, "\(from) → \(to)")
    }
  }
}

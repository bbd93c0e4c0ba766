import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func file(_ text: String) throws -> String { try write(text.utf8, to: temporaryFolder() + "/table.csv") }

/// Every sample of both parts, as features followed by the target, sorted.
private func rows(_ parts: DatasetParts) throws -> [[Float]] {
  try [parts.train, parts.test].flatMap { part in
    try (0..<part.count).map { index in
      let sample = try part.sample(index)
      return sample.values + sample.target
    }
  }.sorted { $0.lexicographicallyPrecedes($1) }
}

/// A table of `count` rows `n, 2n, n mod 3`.
private func table(_ count: Int) -> String {
  "n,double,class\n" + (0..<count).map { "\($0),\(2 * $0),\($0 % 3)\n" }.joined()
}

@Suite struct CSVTests {
  @Test("quotes, delimiters, line ends, blank lines and a byte order mark")
  func forms() throws {
    let expected: [[Float]] = [[-1e-3, 2, 1], [1, 0.5, 0], [3, 4, 0], [5, 6, 1]]
    let texts = [
      "a,b,kind\n1,.5,cat\n-1e-3,2,dog\n3,4,cat\n5,6,dog",
      "\u{FEFF}a,b,kind\r\n\"1\",\" .5 \",\"cat\"\r\n\r\n-1e-3,2,\"dog\"\r\n3,4,cat\r\n5,6,dog\r\n",
    ]
    for text in texts {
      let parts = try CSVFile(path: try file(text), labels: ["kind"], testSplit: 0.5).open()
      #expect(try rows(parts) == expected)
      #expect(parts.train.classNames == ["cat", "dog"])
      #expect(parts.train.sampleShape == [2])
    }
    let bare = try CSVFile(
      path: try file("cat;1;.5\ndog;-1e-3;2\ncat;3;4\ndog;5;6\n"), labels: ["0"], testSplit: 0.5, hasHeader: false,
      delimiter: UInt8(ascii: ";")
    ).open()
    #expect(try rows(bare) == expected)
    let quoted = try CSVFile(
      path: try file("a,b\n1,\"say \"\"hi\"\",\nthen go\"\n2,x\n3,x\n4,x\n"), labels: ["b"], testSplit: 0.5
    ).open()
    #expect(quoted.train.classNames == ["say \"hi\",\nthen go", "x"])
    #expect(quoted.train.count + quoted.test.count == 4)
  }

  @Test("classes that are numbers count as numbers, values are what the columns hold")
  func targets() throws {
    let text = "x,y,z\n" + [10, 9, 2, 10, 9, 2].enumerated().map { "\($0),\($1),\(-$1)\n" }.joined()
    let classes = try CSVFile(path: try file(text), labels: ["y"], testSplit: 0.4).open()
    #expect(classes.train.classNames == ["2", "9", "10"])
    #expect(classes.train.targets == .classes)
    let values = try CSVFile(path: try file(text), labels: ["z", "1"], targets: .values, testSplit: 0.4).open()
    #expect(values.train.targets == .values(2))
    #expect(values.train.classNames.isEmpty)
    #expect(try rows(values).first == [0, -10, 10])
  }

  @Test("rows stay on their side, the parts are not in the file's order, and normalizing is of the training part")
  func splitAndNormalize() throws {
    let settings = CSVFile(path: try file(table(1000)), labels: ["class"], isNormalized: true)
    let parts = try settings.open()
    #expect((150...250).contains(parts.test.count))
    #expect(parts.train.count + parts.test.count == 1000)
    var plain = settings
    plain.isNormalized = false
    let raw = try plain.open()
    let numbers = try (0..<raw.train.count).map { try raw.train.sample($0).values[0] }
    #expect(numbers != numbers.sorted())
    let mean = numbers.reduce(0) { $0 + Double($1) } / Double(numbers.count)
    let variance = numbers.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(numbers.count)
    for index in [0, 7, 500] {
      let values = try parts.train.sample(index).values
      let expected = (Double(numbers[index]) - mean) / variance.squareRoot()
      #expect(values.allSatisfy { abs(Double($0) - expected) < 1e-5 })
    }
    plain.path = try file(table(1200))
    let more = try plain.open()
    let tested = Set(try (0..<raw.test.count).map { try raw.test.sample($0).values[0] })
    #expect(tested.isSubset(of: try (0..<more.test.count).map { try more.test.sample($0).values[0] }))
  }

  @Test(
    "what is wrong is said with line and column",
    arguments: [
      ("a,b\n1,x\n2\n", ":3:1: the row has 1 fields, and the first has 2"),
      ("a,b\n1,x\nred,y\n", ":3:1: \"red\" is no"),
      ("c,a,b\n1,2,x\n1,,y\n", ":3:3: a number is missing"), ("a,b\n1,\n", ":2:3: the class is missing"),
      ("a,c\n1,x\n", ":1:1: there is no column b for the label; columns are a, c"),
      ("a,b\n\"1,x\n", ":2:1: a quote is not closed"), ("a,b\n\"1\"2,x\n", ":2:4: text follows a closing quote"),
      ("a,b\n\"1\n\",x\nnan,y\n", "\"1\n\" is no finite number"), ("a,b\n\"u\nv\",x\n", ":2:1: "),
      ("b\nx\n", "and a feature"), ("", "has no rows"), ("a,b\n", "has no rows"),
      ("a,b\n1,x\n1e99,y\n", ":3:1: \"1e99\""),
      ("a,b\n1,x\n\(String(repeating: "1", count: 70)),y\n", "no finite number"),
    ])
  func broken(text: String, words: String) throws {
    let path = try file(text)
    let error = #expect(throws: DatasetError.self) { try CSVFile(path: path, labels: ["b"]).open() }
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    #expect(error?.message.hasPrefix(path) == true)
  }

  @Test("a file that is not there, and one that gets shorter while it is read, are errors")
  func changing() throws {
    #expect(throws: DatasetError.self) { try CSVFile(path: "/nowhere.csv", labels: ["b"]).open() }
    let path = try file(table(100))
    let parts = try CSVFile(path: path, labels: ["class"]).open()
    try write("".utf8, to: path)
    let error = #expect(throws: DatasetError.self) { try parts.train.sample(50) }
    #expect(error?.message.contains("has changed") == true, "\(error?.message ?? "")")
  }
}

import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func file(_ text: String, to path: String? = nil) throws -> String {
  try write(text.utf8, to: path ?? temporaryFolder() + "/table.csv")
}

private let colours = ["red", "blue", "deep green"]
private let sizes = ["small", "large", "medium"]

/// Rows `n, colour, kind, size, x`, whose words go round.
private func table(_ count: Int) -> String {
  "n,colour,kind,size,x\n"
    + (0..<count).map { "\($0),\(colours[$0 % 3]),\($0 % 2),\"\(sizes[$0 / 3 % 3])\",\(Double($0) / 2)\n" }.joined()
}

private func settings(_ text: String, isNormalized: Bool = false) throws -> CSVFile {
  var settings = CSVFile(path: try file(text), labels: ["kind"], isNormalized: isNormalized)
  settings.columns = ["colour": .oneHot(), "size": .ordinal(["small", "medium", "large"])]
  return settings
}

/// Every sample's features, by the number in its first column.
private func samples(_ parts: DatasetParts) throws -> [Int: [Float]] {
  let all = parts.all
  return Dictionary(
    try (0..<all.count).map {
      let values = try all.sample($0).values
      return (Int(values[0]), values)
    }
  ) { first, _ in first }
}

private func message(_ body: () throws -> Any) -> String {
  (#expect(throws: DatasetError.self) { _ = try body() })?.message ?? ""
}

@Suite struct WordColumnTests {
  @Test("words become zeros and a one, sorted by their bytes, or their place in an order")
  func features() throws {
    let parts = try settings(table(60)).open()
    let record = try #require(parts.record)
    let input = record.inputs[0]
    #expect(input.features == ["n", "colour=blue", "colour=deep green", "colour=red", "size", "x"])
    #expect(parts.train.sampleShape == [6] && record.fault == nil)
    let words = try #require(input.words)
    #expect(words.map(\.column) == ["colour", "size"] && words.map(\.encoding) == [.oneHot, .ordinal])
    #expect(words.map(\.feature) == [1, 4] && words[1].words == ["small", "medium", "large"])
    let found = try samples(parts)
    #expect(found.count == 60)
    for (n, values) in found {
      let colour: [Float] = [[0, 0, 1], [1, 0, 0], [0, 1, 0]][n % 3]
      #expect(values == [Float(n)] + colour + [[0, 2, 1][n / 3 % 3], Float(n) / 2])
    }
    // Without a list the order is that of the bytes.
    var sorted = try settings(table(60))
    sorted.columns["size"] = .ordinal()
    #expect(try sorted.open().record?.inputs[0].words?[1].words == ["large", "medium", "small"])
    #expect(record.words.contains("words of colour (one_hot): blue, deep green, red"))
    #expect(try DatasetSource.csv(sorted).layout() == sorted.open().train.layout)
  }

  @Test("normalizing scales numbers and the places of ordered words, and leaves zeros and ones")
  func normalized() throws {
    for ordinal in [CSVFile.Reading.ordinal(), .ordinal(["small", "medium", "large"])] {
      var (raw, scaled) = (try settings(table(300)), try settings(table(300), isNormalized: true))
      (raw.columns["size"], scaled.columns["size"]) = (ordinal, ordinal)
      let (plain, parts) = (try raw.open(), try scaled.open())
      #expect(parts.record?.inputs[0].normalization.count == 6)
      let count = plain.train.count
      let numbers = try (0..<count).map { try plain.train.sample($0).values }
      for feature in 0..<6 {
        let column = numbers.map { Double($0[feature]) }
        let mean = column.reduce(0, +) / Double(count)
        let deviation = (column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)).squareRoot()
        for index in [0, 5, 100] {
          let value = Double(try parts.train.sample(index).values[feature])
          let expected = (1...3).contains(feature) ? column[index] : (column[index] - mean) / deviation
          #expect(abs(value - expected) < 1e-5, "feature \(feature)")
        }
      }
    }
  }

  @Test("a trained network's words are those of its record, in whatever order the columns stand")
  func trained() throws {
    let made = try settings(table(60), isNormalized: true)
    let parts = try made.open()
    let data = try JSONEncoder().encode(try #require(parts.record))
    let record = try JSONDecoder().decode(DatasetRecord.self, from: data)
    #expect(record == parts.record && record.fault == nil)
    var other = made
    other.path = try file("x,more,size,colour,kind,n\n3.5,?,large,blue,1,7\n")
    let request = DatasetRequest(record: record, mayLackParts: true)
    let later = try other.open(request)
    #expect(later.notes.contains { $0.contains("without the columns more") }, "\(later.notes)")
    let values = try later.all.sample(0).values
    let raw: [Double] = [7, 1, 0, 0, 2, 3.5]
    #expect(values == zip(raw, record.inputs[0].normalization).map { Float($1($0)) })

    other.path = try file("n,colour,kind,size,x\n1,red,0,small,1\n2,purple,0,small,1\n")
    let unknown = message { try other.open(request) }
    #expect(unknown.hasPrefix(other.path + ":3:3: \"purple\" is none of the words of the column colour"), "\(unknown)")
    #expect(unknown.contains("(blue, deep green, red): mend or remove the row, or train a network anew"))
    // What the configuration says must be what the network knows.
    other.path = made.path
    for reading in [CSVFile.Reading.ordinal(), .oneHot(["red", "blue", "deep green"])] {
      other.columns["colour"] = reading
      let refused = message { try other.open(request) }
      #expect(refused.contains("trained with the column colour as one_hot (blue, deep green, red)"), "\(refused)")
    }
    other.columns = ["colour": .oneHot(["blue", "deep green", "red"]), "size": .ordinal()]
    #expect(try other.open(request).record?.differences(since: record) == [])
    other.columns["colour"] = .oneHot(["blue", "deep green", "red", "white"])
    let wider = try #require(try other.open().record)
    #expect(wider.differences(since: record).contains("the words of the columns"))
  }

  @Test("without a row of names the columns go by their places")
  func places() throws {
    let text = (0..<40).map { "\(colours[$0 % 3]),\($0),\(["a", "b"][$0 % 2])\n" }.joined()
    var settings = CSVFile(path: try file(text), labels: ["2"], hasHeader: false)
    settings.columns = ["0": .oneHot()]
    let record = try #require(try settings.open().record)
    #expect(record.inputs[0].features == ["0=blue", "0=deep green", "0=red", "1"])
    #expect(record.width == 3 && record.fault == nil)
    settings.path = try file("blue,9,a\n")
    let later = try settings.open(DatasetRequest(record: record, mayLackParts: true))
    #expect(try later.all.sample(0).values == [1, 0, 0, 9])
    settings.path = try file("blue,9,9,a\n")
    #expect(!message { try settings.open(DatasetRequest(record: record, mayLackParts: true)) }.isEmpty)
  }

  @Test("a word that no training row has is told where it stands first, and a list of words takes it")
  func rare() throws {
    // Of forty rows some are for testing: one of these has a word of its own.
    let plain = try settings(table(40)).open()
    let tested = Int(try plain.test.sample(0).values[0])
    var lines = table(40).split(separator: "\n").map(String.init)
    lines[tested + 1] = "\(tested),\"pink, pale\",0,small,1"
    var rare = try settings(lines.joined(separator: "\n") + "\n")
    let error = message { try rare.open() }
    #expect(error.hasPrefix("\(rare.path):\(tested + 2):"), "\(error)")
    #expect(error.contains("\"pink, pale\" in the column colour stands in no training row"), "\(error)")
    #expect(error.contains("blue, deep green, red: list all words, {colour: {one_hot: […]}}"), "\(error)")
    rare.columns["colour"] = .oneHot(colours + ["pink, pale"])
    #expect(try rare.open().record?.inputs[0].words?[0].words == colours + ["pink, pale"])
    rare.columns["colour"] = .oneHot(["red", "blue"])
    #expect(message { try rare.open() }.contains("that data.columns lists (red, blue): mend the row, or list the word"))
  }

  @Test("empty cells, too many words, words of other scalars, and columns that cannot be words are refused")
  func refusals() throws {
    func refused(_ rows: [String], _ columns: [String: CSVFile.Reading] = ["w": .oneHot()]) throws -> String {
      var settings = CSVFile(path: try file("w,x,y\n" + rows.map { $0 + "\n" }.joined()), labels: ["y"])
      settings.columns = columns
      return message { try settings.open() }
    }
    let good = (0..<20).map { "\(["a", "b"][$0 % 2]),\($0),\($0 % 2)" }
    #expect(try refused(good + [",1,1"]).contains(":22:1: a word is missing (column w)"))
    #expect(try refused(good + ["\"\",1,1"], ["w": .ordinal()]).contains("a word is missing"))
    #expect(try refused(good + ["\"\",1,1"], ["w": .oneHot(["a", "b"])]).contains("a word is missing"))
    #expect(try refused(good + ["e\u{301},1,1", "\u{e9},2,0"]).contains("other Unicode scalars"))
    let many = (0..<1001).map { "w\($0),1,\($0 % 2)" }
    #expect(
      try refused(many).contains(
        ":1002:1: the column w has more than 1000 different words, too many for one_hot: set it to ordinal or ignored"))
  }

  @Test("what the configuration cannot mean is refused by the name of the column")
  func settingsMistakes() throws {
    func refused(_ columns: [String: CSVFile.Reading]) throws -> String {
      var settings = try settings(table(30))
      settings.columns = columns
      return message { try settings.open() }
    }
    #expect(
      try refused(["color": .oneHot()]).contains("there is no column color, which is to be one_hot; columns are n,"))
    #expect(try refused(["kind": .ordinal()]).contains("the column kind cannot be ordinal: it is learnt"))
    #expect(try refused(["colour": .oneHot(), "1": .ordinal()]).contains("two things of the column colour"))
    #expect(try refused(["colour": .oneHot(["a", "a"])]).contains("the list of the column colour has a word twice"))
    #expect(try refused(["colour": .oneHot((0...1000).map { "\($0)" })]).contains("more than 1000 words"))
    // Without an entry it is still an error, which says what there is.
    #expect(try refused(["size": .ignored]).contains("one_hot or ordinal of words, or ignored"))
  }

  @Test("a record whose words cannot be is told")
  func hostile() throws {
    let record = try #require(try settings(table(60)).open().record)
    let text = String(decoding: try JSONEncoder().encode(record), as: UTF8.self)
    func fault(_ from: String, _ to: String) throws -> String? {
      #expect(text.contains(from), "\(text)")
      let changed = text.replacingOccurrences(of: from, with: to)
      return try JSONDecoder().decode(DatasetRecord.self, from: Data(changed.utf8)).fault
    }
    #expect(record.fault == nil)
    for (from, to) in [
      ("\"feature\":1", "\"feature\":-1"), ("\"feature\":1", "\"feature\":9223372036854775807"),
      ("\"feature\":1", "\"feature\":2"), ("\"feature\":4", "\"feature\":3"), ("\"feature\":4", "\"feature\":6"),
      ("\"words\":[\"blue\",\"deep green\",\"red\"]", "\"words\":[]"),
      ("\"words\":[\"blue\",\"deep green\",\"red\"]", "\"words\":[\"blue\",\"blue\",\"red\"]"),
      ("\"words\":[\"blue\",\"deep green\",\"red\"]", "\"words\":[\"blue\",\"deep green\",\"\"]"),
      ("\"words\":[\"blue\",\"deep green\",\"red\"]", "\"words\":[\"blue\",\"deep green\",\"red\",\"z\"]"),
    ] { #expect(try fault(from, to) != nil, "\(from) → \(to)") }
  }
}

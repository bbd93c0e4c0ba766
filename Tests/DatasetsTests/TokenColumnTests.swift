import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func file(_ text: String, to path: String? = nil) throws -> String {
  try write(text.utf8, to: path ?? temporaryFolder() + "/table.csv")
}

/// Of row `n` the tokens are n mod 5 times n; the others are `n, kind, x`.
private func sequence(_ n: Int) -> [Int] { [Int](repeating: n, count: n % 5) }

private func table(_ count: Int) -> String {
  "text,n,kind,x\n"
    + (0..<count).map { "\(sequence($0).map(String.init).joined(separator: " ")),\($0),\($0 % 2),\(Double($0) / 2)\n" }
    .joined()
}

private func settings(_ text: String, length: Int? = nil) throws -> CSVFile {
  var settings = CSVFile(path: try file(text), labels: ["kind"])
  settings.columns = ["text": .tokens]
  settings.sequenceLength = length
  return settings
}

private func message(_ body: () throws -> Any) -> String {
  (#expect(throws: DatasetError.self) { _ = try body() })?.message ?? ""
}

@Suite struct TokenColumnTests {
  @Test("tokens are a field of their column's name, padded to the longest, with their lengths beside it")
  func padded() throws {
    let made = try settings(table(60))
    let parts = try made.open()
    #expect(
      parts.train.fields == [
        Field("table", .float32, [2]), Field("text", .int32, [4], lengths: "text_lengths"),
        Field("text_lengths", .int32), Field("labels", .int32),
      ])
    let layout = parts.train.layout
    #expect(layout.inputs.map(\.name) == ["table", "text"] && layout.others.map(\.name) == ["text_lengths"])
    #expect(parts.notes.isEmpty && parts.record?.layout == layout)
    #expect(try DatasetSource.csv(made).layout() == layout)
    let all = parts.all
    for index in 0..<all.count {
      let sample = try all.numbers([Int32(index)])
      let n = Int(try #require(sample["table"])[0])
      let tokens = sequence(n).map(Double.init)
      #expect(sample["text"] == tokens + [Double](repeating: 0, count: 4 - tokens.count))
      #expect(sample["text_lengths"] == [Double(tokens.count)] && sample["labels"] == [Double(n % 2)])
    }
    // What a batch held before is gone from the padding.
    let memory = try BatchMemory(all.fields, rows: 1)
    for index in 0..<10 {
      try all.read(index, row: 0, into: memory)
      #expect(memory.numbers(1, count: 1).count { $0 != 0 } <= Int(memory.numbers(2, count: 1)[0]))
    }
    let record = try #require(parts.record)
    #expect(record.inputs[1].tokens == .init(cutCount: 0, largest: 59) && record.fault == nil)
    #expect(try JSONDecoder().decode(DatasetRecord.self, from: JSONEncoder().encode(record)) == record)
  }

  @Test("longer sequences are cut and counted; a trained network's length goes for other files")
  func cut() throws {
    let made = try settings(table(50), length: 2)
    let parts = try made.open()
    // Of five rows those with 3 and 4 tokens.
    let note = "20 of 50 sequences of the column text are longer than 2 tokens and are cut there"
    #expect(parts.notes == [note])
    #expect(parts.record?.inputs[1].tokens?.cutCount == 20)
    #expect(parts.record?.words.contains("tokens of text: 2 a sample, 20 sequences are cut") == true)
    let all = try parts.all.numbers(ArraySlice((0..<Int32(parts.all.count))))
    #expect(try #require(all["text_lengths"]).max() == 2 && all["text"]?.count == 100)

    let record = try #require(try settings(table(50)).open().record)
    #expect(record.inputs[1].shape == [4])
    var later = try settings("kind,more,x,n,text\n1,?,2,7,\" 3\t4 5  6 7 8\"\n0,?,1,8,\n")
    let other = try later.open(DatasetRequest(record: record, mayLackParts: true))
    let found = try other.all.numbers([0, 1])
    let isFirst = found["labels"]?[0] == 1
    #expect(Set([found["text"]?[..<4], found["text"]?[4...]]) == [[3, 4, 5, 6], [0, 0, 0, 0]])
    #expect(found["text_lengths"] == (isFirst ? [4, 0] : [0, 4]))
    #expect(other.notes.contains { $0.contains("without the columns more") }, "\(other.notes)")
    #expect(other.notes.contains("1 of 2 sequences of the column text are longer than 4 tokens and are cut there"))
    #expect(other.record?.inputs[1].tokens == .init(cutCount: 1, largest: 6))
    later.sequenceLength = 3
    #expect(
      message { try later.open(DatasetRequest(record: record, mayLackParts: true)) }
        .contains("trained with sequences [4] of the column text, and data.sequence_length says 3"))
    later.path = try file("kind,x,n\n1,2,3\n")
    #expect(
      message { try later.open(DatasetRequest(record: record, mayLackParts: true)) }
        .contains("there is no column text of tokens"))
  }

  @Test("tokens alone are the only input, two columns of them are two fields, and columns go by places without names")
  func alone() throws {
    func rows(_ count: Int) -> String { (0..<count).map { "\($0 % 3) \($0 % 7),\($0),\($0 % 2)\n" }.joined() }
    var bare = CSVFile(path: try file(rows(40)), labels: ["2"], hasHeader: false)
    bare.columns = ["0": .tokens, "1": .ignored]
    let parts = try bare.open()
    #expect(parts.train.layout.inputs == [Field("0", .int32, [2], lengths: "0_lengths")])
    #expect(parts.train.sampleShape == [2] && parts.record?.layout == parts.train.layout)
    #expect(parts.record?.width == 3 && parts.record?.fault == nil)
    let again = try bare.open(DatasetRequest(record: parts.record, mayLackParts: true))
    #expect(again.record?.layout == parts.record?.layout)
    bare.columns["1"] = .tokens
    #expect(try bare.open().train.layout.inputs.map(\.name) == ["0", "1"])
  }

  @Test(
    "what is no token is said with its place",
    arguments: [
      ("1 -2 3", 3, "-2"), ("x", 1, "x"), ("1.5", 1, "1.5"), ("7 2147483648", 3, "2147483648"),
      ("99999999999999999999999", 1, "99999999999999999999999"), ("+1", 1, "+1"), ("1;2", 1, "1;2"),
    ])
  func broken(cell: String, position: Int, word: String) throws {
    let made = try settings(table(20) + "\(cell),1,1,1\n")
    let error = message { try made.open() }
    #expect(error.hasPrefix("\(made.path):22:\(position): \"\(word)\" is no token (column text)"), "\(error)")
    #expect(error.contains("whole numbers from 0 to 2147483647"))
  }

  @Test("the largest token there is, and lengths that cannot be")
  func limits() throws {
    #expect(try settings(table(20) + "2147483647,1,1,1\n").open().record?.inputs[1].tokens?.largest == Int32.max)
    for length in [0, -1, 1 << 40] {
      #expect(message { try settings(table(20), length: length).open() }.contains("and a length from 1"))
    }
    var without = try settings(table(20), length: 3)
    without.columns = ["text": .ignored]
    #expect(message { try without.open() }.contains("need a column of tokens"))
    let empty = "text,kind\n" + (0..<20).map { ",\($0 % 2)\n" }.joined()
    #expect(message { try settings(empty).open() }.contains("all sequences of the column text are empty"))
    #expect(try settings(empty, length: 2).open().record?.inputs[0].tokens?.largest == nil)
  }

  @Test("a sample has at most a million tokens, where no length is said too; else one row would decide over memory")
  func longest() throws {
    let most = 1 << 20
    let long = "text,kind\n" + String(repeating: "7 ", count: most + 1) + ",1\n"
    let error = message { try settings(long).open() }
    #expect(error.contains("the longest sequence of the column text has 1048577 tokens, and a sample at most 1048576"))
    #expect(error.contains("say data.sequence_length"))
    #expect(message { try DatasetSource.csv(settings(long)).layout() }.contains("say data.sequence_length"))
    let cut = try settings(long, length: 2).open(DatasetRequest(mayLackParts: true))
    #expect(cut.record?.inputs[0].shape == [2] && cut.record?.inputs[0].tokens?.cutCount == 1)
  }

  @Test("the largest token is one that is read: what is cut counts nowhere, with a length that is said and without")
  func largestOfKept() throws {
    let before = try settings(table(60)).open()
    let n = Int(try #require(try before.test.numbers([0])["table"])[0])
    var lines = table(60).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    lines[n + 1] = "1 1 1 1 \(Int32.max),\(n),\(n % 2),1"
    let text = lines.joined(separator: "\n")
    let parts = try settings(text).open()
    #expect(parts.record?.inputs[1].shape == [4])
    #expect(parts.record?.inputs[1].tokens == .init(cutCount: 1, largest: n == 59 ? 58 : 59))
    #expect(try settings(text, length: 5).open().record?.inputs[1].tokens?.largest == Int32.max)
  }

  @Test("columns whose fields have names of others are refused")
  func names() throws {
    func refused(_ head: String, _ tokens: [String]) throws -> String {
      var settings = CSVFile(
        path: try file(head + "\n" + (0..<20).map { "1,1,\($0 % 2)\n" }.joined()), learnt: [.init("kind", .classes)])
      for column in tokens { settings.columns[column] = .tokens }
      return message { try settings.open() }
    }
    #expect(try refused("a,a_lengths,kind", ["a", "a_lengths"]).contains("none can be called \"a_lengths\""))
    for name in ["images", "table", "sample_weight", "a text"] {
      #expect(try refused("\(name),b,kind", [name]).contains("none can be called \"\(name)\""))
    }
  }

  @Test("a record whose tokens cannot be is told")
  func hostile() throws {
    var made = try settings(table(60))
    made.learnt = [.init("kind", .classes)]
    let record = try #require(try made.open().record)
    #expect(record.fault == nil)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let text = String(decoding: try encoder.encode(record), as: UTF8.self)
    for (from, to) in [
      ("\"cutCount\":0", "\"cutCount\":-1"), ("\"largest\":59", "\"largest\":-2"), ("\"shape\":[4]", "\"shape\":[]"),
      ("\"shape\":[4]", "\"shape\":[0]"), ("\"shape\":[4]", "\"shape\":[4,4]"),
      ("\"shape\":[4]", "\"shape\":[1048577]"),
      // Its lengths, or itself, called as what is learnt.
      ("\"name\":\"kind\"", "\"name\":\"text_lengths\""), ("\"name\":\"kind\"", "\"name\":\"text\""),
      ("\"column\":\"text\",", ""), ("\"name\":\"text\"", "\"name\":\"table\""),
    ] {
      let changed = text.replacingOccurrences(of: from, with: to)
      try #require(changed != text, "\(from)")
      #expect(try JSONDecoder().decode(DatasetRecord.self, from: Data(changed.utf8)).fault != nil, "\(from) → \(to)")
    }
  }

  @Test("a column of tokens cannot be called as the labels are, of which a record of one target says no name")
  func labels() throws {
    let record = try #require(try settings(table(60)).open().record)
    let text = String(decoding: try JSONEncoder().encode(record), as: UTF8.self)
    let changed = text.replacingOccurrences(of: "\"name\":\"text\"", with: "\"name\":\"labels\"")
    try #require(changed != text)
    #expect(try JSONDecoder().decode(DatasetRecord.self, from: Data(changed.utf8)).fault?.contains("fields") == true)
  }
}

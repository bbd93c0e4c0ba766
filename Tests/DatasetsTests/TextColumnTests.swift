import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func file(_ text: String) throws -> String { try write(text.utf8, to: temporaryFolder() + "/table.csv") }

private func message<Answer>(_ body: () throws -> Answer) -> String {
  (#expect(throws: DatasetError.self) { _ = try body() })?.message ?? ""
}

private let words = ["cold", "warm", "wet", "dry", "bright"]

/// Of row `n` the text is `Wn`, then n mod 4 words; the others are `n, kind`.
private func table(_ count: Int) -> String {
  "text,n,kind\n"
    + (0..<count).map { n in
      "\"W\(n) \((0..<n % 4).map { words[(n + $0) % 5].uppercased() }.joined(separator: ", "))\",\(n),\(n % 2)\n"
    }.joined()
}

private func settings(_ text: String, length: Int? = nil) throws -> CSVFile {
  var settings = CSVFile(path: try file(text), labels: ["kind"])
  settings.columns = ["text": .text]
  settings.sequenceLength = length
  return settings
}

@Suite struct TextColumnTests {
  @Test("a column of texts is a field of tokens, of a vocabulary that the training rows make")
  func column() throws {
    let made = try settings(table(60))
    let parts = try made.open()
    let record = try #require(parts.record)
    let vocabulary = try #require(record.inputs[1].vocabulary)
    #expect(
      parts.train.layout.inputs == [
        Field("table", .float32, [1]), Field("text", .int32, [6], lengths: "text_lengths"),
      ])
    #expect(try record.layout == parts.train.layout && DatasetSource.csv(made).layout() == record.layout)
    #expect(record.fault == nil && record.inputs[1].tokens?.largest == Int32(vocabulary.size - 1))
    #expect(Set(vocabulary.words.prefix(6)) == Set(words + [","]))
    // One word a row that no other has: those of training stand behind, by their bytes.
    #expect(vocabulary.words.count == 6 + parts.train.count)
    #expect(vocabulary.words.dropFirst(6).sorted() == Array(vocabulary.words.dropFirst(6)))
    for (part, knows) in [(parts.train, true), (parts.test, false)] {
      for index in 0..<part.count {
        let sample = try part.numbers([Int32(index)])
        let n = Int(try #require(sample["table"])[0])
        let text = "w\(n) " + (0..<n % 4).map { words[(n + $0) % 5] }.joined(separator: ", ")
        let tokens = vocabulary.tokens(of: text)
        #expect((tokens[0] != 1) == knows)
        let padded: [Int32] = tokens + [Int32](repeating: 0, count: 6 - tokens.count)
        #expect(sample["text"] == padded.map { Double($0) })
        #expect(sample["text_lengths"] == [Double(tokens.count)])
      }
    }
    #expect(try JSONDecoder().decode(DatasetRecord.self, from: JSONEncoder().encode(record)) == record)
  }

  @Test("a trained network's vocabulary goes for other files and for rows to predict; quotes within texts are read")
  func known() throws {
    let record = try #require(try settings(table(60), length: 4).open().record)
    let vocabulary = try #require(record.inputs[1].vocabulary)
    let later = try settings("kind,n,text\n1,2,\"wet \"\"dry\"\" sea\"\n")
    let found = try later.open(DatasetRequest(record: record, mayLackParts: true)).all.numbers([0])
    let tokens = vocabulary.tokens(of: "wet ? dry ?")
    #expect(tokens[1] == 1 && found["text"] == tokens.map(Double.init))
    var wrong = later
    wrong.columns = ["text": .tokens]
    #expect(
      message { try wrong.open(DatasetRequest(record: record, mayLackParts: true)) }
        .contains("there is no column text of text, which the network was trained with"))

    var rows = CSVPredictionRows(
      path: try file("text,n\nWET wet,1\n,2\n\"dry \"\"wet\"\"\",3\n"), features: ["n"], labels: ["kind"])
    rows.tokens = ["text"]
    rows.vocabularies = ["text": vocabulary]
    var contents: [Result<CSVPredictionRows.Contents, DatasetError>] = []
    try rows.forEach(ignored: { _ in }) { contents.append($0.contents) }
    #expect(try contents[0].get().tokens == [vocabulary.tokens(of: "wet wet")])
    #expect(message { try contents[1].get() }.contains("the text is missing (column text)"))
    #expect(try contents[2].get().tokens == [vocabulary.tokens(of: "dry ? wet ?")])
  }

  @Test("what is no text is said with its place, and a vocabulary without words is an error")
  func mistakes() throws {
    let empty = try settings(table(20) + " ,1,1\n")
    #expect(message { try empty.open() }.hasPrefix("\(empty.path):22:1: the text is missing (column text)"))
    let bytes = Array((table(20) + "\"caf").utf8) + [0xe9] + Array("\",1,1\n".utf8)
    var latin = try settings(table(20))
    try write(bytes, to: latin.path)
    #expect(message { try latin.open() }.hasPrefix("\(latin.path):22:5: the text (column text) is no UTF-8; convert"))
    latin = try settings(table(20))
    latin.vocabulary = .init(minFrequency: 100)
    #expect(
      message { try latin.open() }.contains("no word stands 100 times in the training rows of the column text"))
    latin.vocabulary = .init(size: 2)
    #expect(message { try latin.open() }.contains("a vocabulary has 3 to 131072 tokens"))
    let cut = try settings(table(40), length: 3).open()
    #expect(cut.notes == ["20 of 40 texts of the column text are longer than 3 tokens and are cut there"])
  }
}

import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

private func message<Answer>(_ body: () throws -> Answer) -> String {
  (#expect(throws: DatasetError.self) { _ = try body() })?.message ?? ""
}

/// Files by their paths in a new folder.
private func folder(_ files: [String: String]) throws -> String {
  let folder = try temporaryFolder()
  for (path, text) in files { try write(text.utf8, to: folder + "/" + path) }
  return folder
}

/// Four training texts of two classes and two for testing: the words a b c stand in training 5, 3 and 3 times.
private let reviews = [
  "train/bad/1.txt": "A b b C!", "train/bad/2.txt": "a", "train/good/1": "a c a a", "train/good/2.txt": "c B, rare",
  "test/bad/1.txt": "unseen a unseen", "test/good/1.txt": "c b a c b a c",
]

private func samples(_ data: any Dataset) throws -> [(tokens: [Double], length: Double, label: Double)] {
  try (0..<data.count).map { index in
    let sample = try data.numbers([Int32(index)])
    return (
      try #require(sample["tokens"]), try #require(sample["lengths"]?.first), try #require(sample["labels"]?.first)
    )
  }
}

@Suite struct TextFolderTests {
  @Test(
    "words are letters, marks and digits side by side in lower case, signs stand alone, and all else parts them",
    arguments: [
      ("Don't PANIC, 42!", "don ' t panic , 42 !"), ("a\tb\r\nc\u{a0}d\u{2028}e\u{feff}f", "a b c d e f"),
      ("x_y-z…«ß»€5", "x _ y - z … « ß » € 5"), ("ÀÉÎ Ω İ", "àéî ω i̇"),
      ("e\u{301}\u{1F600}漢字", "e\u{301} \u{1F600} 漢字"),
      ("½²Ⅷ", "½²ⅷ"), ("\u{7f}a\u{0b}b\u{1c}", "a b"),
    ])
  func tokenizer(text: String, tokens: String) throws {
    let words = tokens.split(separator: " ").map(String.init)
    var unique: [String] = []
    for word in words where !unique.contains(where: { $0.utf8.elementsEqual(word.utf8) }) { unique.append(word) }
    let found = DatasetRecord.Vocabulary(words: unique).tokens(of: text)
    let expected = words.map { word in Int32((unique.firstIndex { $0.utf8.elementsEqual(word.utf8) } ?? -9) + 2) }
    #expect(found == expected)
  }

  @Test("a word of more than 64 bytes is unknown, and one of 64 is not")
  func longWords() throws {
    let long = String(repeating: "é", count: 32)
    let vocabulary = DatasetRecord.Vocabulary(words: [long])
    #expect(vocabulary.tokens(of: "\(long) \(long)x \(long)") == [2, 1, 2])
    let found = try TextFolder(
      path: folder(["train/x/1.txt": "\(long)x a", "train/y/1.txt": "b", "test/x/1.txt": "a"])
    )
    .open().record?.inputs[0].vocabulary
    #expect(found?.words == ["a", "b"])
  }

  @Test(
    "the vocabulary is that of training, by frequency and then by bytes; tokens are padded with 0, unknown words are 1")
  func samplesAndRecord() throws {
    let parts = try TextFolder(path: folder(reviews)).open()
    let record = try #require(parts.record)
    #expect(record.inputs[0].vocabulary?.words == ["a", "b", "c", "!", ",", "rare"])
    #expect(
      parts.train.fields == [
        Field("tokens", .int32, [5], lengths: "lengths"), Field("lengths", .int32), Field("labels", .int32),
      ])
    #expect(parts.train.layout == record.layout && parts.train.layout.others.map(\.name) == ["lengths"])
    #expect(parts.train.classNames == ["bad", "good"])
    let train = try samples(parts.train)
    #expect(Set(train.map(\.tokens)) == [[2, 3, 3, 4, 5], [2, 0, 0, 0, 0], [2, 4, 2, 2, 0], [4, 3, 6, 7, 0]])
    #expect(Set(train.map { [$0.label, $0.length] }) == [[0, 5], [0, 1], [1, 4]])
    let test = try samples(parts.test)
    #expect(Set(test.map(\.tokens)) == [[1, 2, 1, 0, 0], [4, 3, 2, 4, 3]])
    #expect(test.first { $0.label == 1 }?.length == 5)
    #expect(parts.notes == ["1 of 6 texts are longer than 5 tokens and are cut there"])
    #expect(record.inputs[0].tokens == .init(cutCount: 1, largest: 7, lengths: "lengths"))
    #expect(record.words.contains("vocabulary of tokens: 8 tokens, with a, b, c, !, ,, rare"))
    #expect(record.source == "text-folder" && record.fault == nil)
    let again = try JSONDecoder().decode(DatasetRecord.self, from: JSONEncoder().encode(record))
    #expect(again == record && again.fault == nil)
  }

  @Test("vocabularies are limited by size, with padding and the unknown, and by frequency")
  func limits() throws {
    let path = try folder(reviews)
    func words(_ limits: DatasetRecord.VocabularyLimits) throws -> [String]? {
      try TextFolder(path: path, vocabulary: limits).open().record?.inputs[0].vocabulary?.words
    }
    #expect(try words(.init(size: 4)) == ["a", "b"])
    #expect(try words(.init(minFrequency: 3)) == ["a", "b", "c"])
    #expect(try words(.init(size: 3, minFrequency: 3)) == ["a"])
    let none = message { try words(.init(minFrequency: 6)) }
    #expect(
      none.contains("no word stands 6 times in the texts of the training part") && none.contains("data.min_frequency"))
    for limits in [DatasetRecord.VocabularyLimits(size: 2), .init(size: .max), .init(minFrequency: 0)] {
      #expect(message { try words(limits) }.contains("a vocabulary has 3 to 131072 tokens"))
    }
  }

  @Test("a trained network's vocabulary, length and classes go for other texts, and what differs is said")
  func known() throws {
    let record = try #require(try TextFolder(path: folder(reviews)).open().record)
    let other = try folder(["bad/1.txt": "rare new a", "good/7.txt": "b b b b b b", "other/1.txt": "a"])
    let later = try TextFolder(path: other, vocabulary: .init(size: 3)).open(
      DatasetRequest(record: record, mayLackParts: true))
    #expect(Set(try samples(later.all).map(\.tokens)) == [[7, 1, 2, 0, 0], [3, 3, 3, 3, 3]])
    #expect(later.record?.inputs[0].vocabulary == record.inputs[0].vocabulary)
    #expect(later.notes.contains { $0.contains("knows no class other: 1 samples are left out") }, "\(later.notes)")
    #expect(
      message {
        try TextFolder(path: other, sequenceLength: 9).open(DatasetRequest(record: record, mayLackParts: true))
      }
      .contains("trained with texts of 5 tokens, and data.sequence_length says 9"))
    let made = try #require(try AddingProblem(sequenceLength: 5).open().record)
    #expect(
      message { try TextFolder(path: other).open(DatasetRequest(record: made, mayLackParts: true)) }
        .contains("trained on no texts"))
    // The same names and sizes, but other words.
    var changed = reviews
    changed["train/bad/2.txt"] = "q"
    let then = try #require(try TextFolder(path: folder(changed)).open().record)
    let differences = then.differences(since: record)
    #expect(differences.contains("the vocabulary"))
    #expect(differences.contains { $0.contains("the contents of texts, whose names and sizes are as before") })
  }

  @Test("the length that is said cuts texts, and lengths that cannot be are refused")
  func length() throws {
    let path = try folder(reviews)
    let parts = try TextFolder(path: path, sequenceLength: 2).open()
    #expect(try samples(parts.all).allSatisfy { $0.tokens.count == 2 && $0.length <= 2 })
    #expect(parts.notes == ["5 of 6 texts are longer than 2 tokens and are cut there"])
    #expect(parts.record?.inputs[0].vocabulary?.words.count == 6)
    for length in [0, -1, 1 << 40] {
      #expect(message { try TextFolder(path: path, sequenceLength: length).open() }.contains("texts have from 1 to"))
    }
    let long = try folder(["train/a/1.txt": String(repeating: "w ", count: 1 << 20 + 1), "test/a/1.txt": "w"])
    #expect(message { try TextFolder(path: long).open() }.contains("say data.sequence_length"))
    #expect(try TextFolder(path: long, sequenceLength: 3).open().train.sampleShape == [3])
  }

  @Test("every text that cannot be read is named in one error that says what to do")
  func hostile() throws {
    let path = try folder(reviews)
    try write([], to: path + "/train/bad/empty.txt")
    try write(" \n\t\u{0}".utf8, to: path + "/train/bad/zero.txt")
    try write(" \n\t".utf8, to: path + "/train/bad/blank.txt")
    try write([0xff, 0xfe, 0x61, 0], to: path + "/train/bad/utf16.txt")
    try write(Array("one\ntwo caf".utf8) + [0xe9, 0x20], to: path + "/train/good/latin.txt")
    try write([0x61, 0xed, 0xa0, 0x80], to: path + "/train/good/surrogate.txt")
    try write([0xc0, 0x80], to: path + "/train/good/overlong.txt")
    try write([0x61, 0xe2, 0x82], to: path + "/train/good/cut.txt")
    try write(String(repeating: "long line ", count: 200_000).utf8, to: path + "/train/good/long.txt")
    let error = message { try TextFolder(path: path, sequenceLength: 4).open() }
    #expect(error.hasPrefix("8 of 15 texts cannot be read:\n"), "\(error)")
    for words in [
      "empty.txt is empty: remove it", "zero.txt is no text: it has zero bytes", "blank.txt has no word and no sign",
      "utf16.txt is text in UTF-16: convert it with iconv", "latin.txt:2:8: the byte e9 is no UTF-8; convert",
      "surrogate.txt:1:2: the byte ed is no UTF-8", "overlong.txt:1:1: the byte c0", "cut.txt:1:2: the byte e2",
    ] {
      #expect(error.contains(words), "\(words) in \(error)")
    }
    let check = try DatasetSource.texts(TextFolder(path: path, sequenceLength: 4)).check()
    #expect(!check.isRight && check.problems.count == 8 && check.parts.map(\.count) == [13, 2])
    for name in ["empty", "zero", "blank", "utf16"] {
      try FileManager.default.removeItem(atPath: path + "/train/bad/\(name).txt")
    }
    for name in ["latin", "surrogate", "overlong", "cut"] {
      try FileManager.default.removeItem(atPath: path + "/train/good/\(name).txt")
    }
    #expect(try TextFolder(path: path, sequenceLength: 4).open().train.count == 5)
    let right = try DatasetSource.texts(TextFolder(path: path, sequenceLength: 4)).check()
    #expect(right.isRight && right.contents?.hasPrefix("sha256:") == true)
  }

  @Test("other files, folders in classes, links to nothing and pipes are errors; links to texts are read")
  func strays() throws {
    let path = try folder(reviews)
    let files = FileManager.default
    func refused(_ name: String, _ make: (String) throws -> Void) throws -> String {
      let stray = path + "/train/bad/" + name
      try make(stray)
      defer { try? files.removeItem(atPath: stray) }
      return message { try TextFolder(path: path).open() }
    }
    #expect(
      try refused("a.pdf") { try write([1], to: $0) }.contains("a.pdf is no file *.txt or without an ending; move it"))
    #expect(
      try refused("deep.txt") { try files.createDirectory(atPath: $0, withIntermediateDirectories: true) }
        .contains("deep.txt is a folder inside a class"))
    #expect(
      try refused("gone.txt") { try files.createSymbolicLink(atPath: $0, withDestinationPath: "/nowhere/x") }
        .contains("gone.txt is a link to what is not there"))
    #expect(
      try refused("loop.txt") { try files.createSymbolicLink(atPath: $0, withDestinationPath: $0) }
        .contains("loop.txt is a link to what is not there"))
    #expect(try refused("pipe.txt") { _ = mkfifo($0, 0o600) }.contains("pipe.txt is neither a file nor a folder"))
    try files.createSymbolicLink(atPath: path + "/train/bad/l.txt", withDestinationPath: path + "/train/bad/1.txt")
    #expect(try TextFolder(path: path).open().train.count == 5)
    #expect(message { try TextFolder(path: "/nowhere").open() }.contains("/nowhere is no folder"))
  }

  @Test("without a folder test a share is for testing, and a validation part is held out, by names")
  func split() throws {
    var files: [String: String] = [:]
    for index in 0..<200 { files["\(index % 2 == 0 ? "x" : "y")/\(index).txt"] = "w\(index) a" }
    let parts = try TextFolder(path: folder(files)).open(DatasetRequest(validationSplit: 0.2))
    let counts = [parts.train.count, parts.validation?.count ?? 0, parts.test.count]
    #expect(counts.reduce(0, +) == 200 && counts.allSatisfy { $0 > 10 })
    // No word of validation and test but `a` is known.
    for part in [parts.validation, parts.test].compactMap({ $0 }) {
      #expect(try samples(part).allSatisfy { $0.tokens == [1, 2] })
    }
  }

  @Test("a record whose vocabulary cannot be is told")
  func hostileRecords() throws {
    let record = try #require(try TextFolder(path: folder(reviews)).open().record)
    let text = String(decoding: try JSONEncoder().encode(record), as: UTF8.self)
    for (from, to) in [
      ("\"rare\"", "\"a\""), ("\"rare\"", "\"\""), ("\"rare\"", "\"\(String(repeating: "r", count: 65))\""),
      ("[\"a\",\"b\",\"c\",\"!\",\",\",\"rare\"]", "[]"), ("\"lengths\":\"lengths\"", "\"lengths\":\"\""),
      ("\"lengths\":\"lengths\"", "\"lengths\":\"labels\""), ("\"name\":\"tokens\"", "\"name\":\"lengths\""),
    ] {
      let changed = text.replacingOccurrences(of: from, with: to)
      try #require(changed != text, "\(from)")
      #expect(try JSONDecoder().decode(DatasetRecord.self, from: Data(changed.utf8)).fault != nil, "\(from) → \(to)")
    }
  }

  @Test("a text of its own is read as one of the folder")
  func text() throws {
    let path = try folder(["a.txt": "Fine, fine.", "b.txt": ""])
    #expect(try TextBytes.text(at: path + "/a.txt") == "Fine, fine.")
    #expect(message { try TextBytes.text(at: path + "/b.txt") }.contains("b.txt is empty"))
    #expect(message { try TextBytes.text(at: path + "/c.txt") }.contains("No such file"))
    #expect(message { try TextBytes.text(of: [0x20], from: "standard input") }.hasPrefix("standard input has no word"))
  }
}

import SwitchbackDatasets
import Testing

@Suite struct TokenSequencesTests {
  private let lists: [[Int32]] = [[3, 1, 2], [5], [4, 4, 4, 4, 9], []]

  private func refusal(_ make: () throws -> Any) -> String {
    (#expect(throws: DatasetError.self) { _ = try make() })?.message ?? ""
  }

  @Test("lists are padded to the longest, and their lengths are a field of their own")
  func padded() throws {
    let sequences = try TokenSequences(lists)
    #expect(sequences.length == 5 && sequences.cutCount == 0 && sequences.note == nil)
    let data = try ArrayDataset(sequences.columns + [.int32("labels", [0, 1, 0, 1])])
    #expect(
      data.fields == [
        Field("tokens", .int32, [5], lengths: "lengths"), Field("lengths", .int32), Field("labels", .int32),
      ])
    // Lengths are not what a network of one input reads.
    #expect(data.sampleShape == [5])
    let batch = try data.numbers([2, 1, 3])
    #expect(batch["tokens"] == [4, 4, 4, 4, 9, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    #expect(batch["lengths"] == [5, 1, 0] && batch["labels"] == [0, 1, 1])
  }

  @Test("longer lists are cut, and counted; padding and names are as asked for")
  func cut() throws {
    let sequences = try TokenSequences(lists, length: 2, name: "words", lengths: "counts", padding: 7)
    #expect(sequences.cutCount == 2)
    #expect(sequences.note == "2 of 4 sequences are longer than 2 tokens and are cut there")
    let batch = try ArrayDataset(sequences.columns).numbers([0, 1, 2, 3])
    #expect(batch["words"] == [3, 1, 5, 7, 4, 4, 7, 7])
    #expect(batch["counts"] == [2, 1, 2, 0])
  }

  @Test("tokens out of range and lengths that cannot be are errors that name the field and the row")
  func refusals() {
    #expect(
      refusal { try TokenSequences(lists, vocabularySize: 9) }
        == "the field tokens has the token 9 in row 2, place 4; tokens count from 0, and there are 9")
    #expect(refusal { try TokenSequences([[1, -1]]) }.contains("the token -1 in row 0, place 1"))
    for length in [0, -1, 1 << 60] {
      #expect(refusal { try TokenSequences(lists, length: length) }.contains("cannot have 4 sequences of \(length)"))
    }
    #expect(refusal { try TokenSequences([[], []]) }.contains("cannot have 2 sequences of 0"))
    let tokens = ArrayDataset.Column.int32("tokens", [1, 2, 3, 4], shape: [2], lengths: "lengths")
    #expect(
      refusal { try ArrayDataset([tokens]) } == "the field tokens i32 [2] needs a field lengths i32 [] with its lengths"
    )
    #expect(
      refusal { try ArrayDataset([tokens, .float32("lengths", [1, 2])]) }.contains("needs a field lengths i32 []"))
    #expect(
      refusal { try ArrayDataset([tokens, .int32("lengths", [1, 3])]) }
        == "the field lengths i32 [] is 3 in row 1, and tokens i32 [2] has room for 2")
    #expect(
      refusal { try ArrayDataset([.int32("tokens", [1], lengths: "lengths"), .int32("lengths", [0])]) }
        .contains("no axis that they could be along"))
  }
}

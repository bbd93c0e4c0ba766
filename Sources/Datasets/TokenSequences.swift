/// Lists of tokens of any lengths as two fields of an `ArrayDataset`: the tokens i32 `[length]`, padded at their end, and how
/// many of them are real, i32 `[]`.
///
/// ```swift
/// let sentences = try TokenSequences(lists, length: 200, vocabularySize: 20_000)
/// let data = try ArrayDataset(sentences.columns + [.int32("labels", classes)])
/// ```
public struct TokenSequences: Sendable {
  public let columns: [ArrayDataset.Column]
  /// Tokens of every sample, padding included.
  public let length: Int
  /// How many lists are longer: of these the first `length` tokens are kept.
  public let cutCount: Int
  /// How many lists there are.
  public let count: Int

  /// `length` is that of the longest list, unless said. `lengths` is the name of the field that holds them. Tokens count from
  /// 0; with `vocabularySize` one that is not below it is an error.
  public init(
    _ lists: [[Int32]], length: Int? = nil, name: String = "tokens", lengths: String = "lengths", padding: Int32 = 0,
    vocabularySize: Int? = nil
  ) throws(DatasetError) {
    let length = length ?? lists.reduce(0) { max($0, $1.count) }
    let (size, overflows) = length.multipliedReportingOverflow(by: max(lists.count, 1))
    guard length > 0, !overflows, size <= 1 << 31 else {
      throw DatasetError(.invalid, "the field \(name) cannot have \(lists.count) sequences of \(length) tokens")
    }
    let bound = vocabularySize ?? Int(Int32.max) + 1
    var (tokens, counts, cutCount) = ([Int32](), [Int32](), 0)
    tokens.reserveCapacity(size)
    for (row, list) in lists.enumerated() {
      if let place = list.firstIndex(where: { $0 < 0 || $0 >= bound }) {
        throw DatasetError(
          .invalid,
          "the field \(name) has the token \(list[place]) in row \(row), place \(place); tokens count from 0"
            + (vocabularySize.map { ", and there are \($0)" } ?? ""))
      }
      let kept = list.prefix(length)
      if kept.count < list.count { cutCount += 1 }
      tokens += kept
      for _ in kept.count..<length { tokens.append(padding) }
      counts.append(Int32(kept.count))
    }
    (self.length, self.cutCount, count) = (length, cutCount, lists.count)
    columns = [.int32(name, tokens, shape: [length], lengths: lengths), .int32(lengths, counts)]
  }

  /// What is lost, in a sentence; nil where nothing is.
  public var note: String? {
    cutCount == 0 ? nil : "\(cutCount) of \(count) sequences are longer than \(length) tokens and are cut there"
  }
}

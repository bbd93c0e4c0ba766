/// What was seen of a column's cells that may be texts, or sequences of tokens.
struct TextLook {
  /// How many cells have so many tokens.
  private var counts: [Int: Int] = [:]
  /// Cells of three or more words with blanks between them, and of two or more.
  private var (sentenceCount, listCount) = (0, 0)
  /// Whether every cell holds whole numbers with blanks between them, and the largest.
  private var isOfNumbers = true
  private var largest = 0
  private var words = WordCount()

  /// More words than that are not counted: no vocabulary of a first network has more.
  static let mostTokens = 10_000
  /// A first network reads no more of a text.
  static let mostOfSample = 256

  mutating func add(_ text: String) {
    let parts = text.split { $0 == " " || $0.isNewline || $0 == "\t" }
    if parts.count >= 3 { sentenceCount += 1 }
    if parts.count >= 2 { listCount += 1 }
    for part in parts where isOfNumbers {
      let isNumber = part.utf8.allSatisfy { (48...57).contains($0) }
      if isNumber, let number = Int32(part) { largest = max(largest, Int(number)) } else { isOfNumbers = false }
    }
    var count = 0
    _ = text.withBytes { bytes in
      TextTokenizer.forEach(in: bytes) { word in
        count += 1
        if let word, words.counts.count < Self.mostTokens { _ = words.add(word, counts: true) }
      }
    }
    counts[count, default: 0] += 1
  }

  /// Nil where the cells are neither. Half of them decide.
  var text: CSVSurvey.Column.Text? {
    let count = counts.values.reduce(0, +)
    let length = min(counts.length(longerThan: 0.1), Self.mostOfSample)
    if isOfNumbers, listCount * 2 >= count, largest < DatasetRecord.Vocabulary.sizes.upperBound {
      return .init(isOfNumbers: true, tokenCount: largest + 1, sequenceLength: length)
    }
    guard sentenceCount * 2 >= count, !words.counts.isEmpty else { return nil }
    let size = min(words.counts.count + DatasetRecord.Vocabulary.first, Self.mostTokens)
    return .init(isOfNumbers: false, tokenCount: size, sequenceLength: length)
  }
}

extension CSVSurvey.Column {
  /// What sequences its cells are.
  public struct Text: Hashable, Sendable {
    /// Whole numbers with blanks between them, instead of words.
    public var isOfNumbers: Bool
    /// Of numbers one more than the largest; of words as many as a vocabulary of all rows has, padding and the unknown
    /// among them, at most ten thousand.
    public var tokenCount: Int
    /// As many tokens as nine of ten cells have at most, and no more than 256.
    public var sequenceLength: Int
  }
}

extension [Int: Int] {
  /// Of so many texts with so many tokens: how many tokens a text has that only so large a share of them is longer than.
  func length(longerThan share: Double) -> Int {
    var left = Int(Double(values.reduce(0, +)) * share)
    for (length, count) in sorted(by: { $0.key > $1.key }) {
      left -= count
      if left < 0 { return Swift.max(length, 1) }
    }
    return 1
  }
}

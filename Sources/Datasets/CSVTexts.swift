/// What a pass over the rows finds in a column of texts.
struct CSVTextScan {
  private let limits: DatasetRecord.VocabularyLimits
  /// The network's.
  private let known: DatasetRecord.Vocabulary?
  private var words = WordCount()

  init(known: DatasetRecord.Vocabulary? = nil, _ limits: DatasetRecord.VocabularyLimits) {
    (self.known, self.limits) = (known, limits)
  }

  /// Answers how many tokens a cell has.
  mutating func add(_ field: CSVRow.Field, of column: String, isTraining: Bool) throws(CSVRow.Problem) -> Int {
    let isCounted = isTraining && known == nil
    var count = 0
    let wrong = field.withTextBytes { bytes in
      TextTokenizer.forEach(in: bytes) { word in
        count += 1
        if isCounted, let word { _ = words.add(word, counts: true) }
      }
    }
    if let wrong {
      throw CSVRow.Problem(
        message:
          "the text (column \(column)) is no UTF-8; convert the file with iconv -f LATIN1 -t UTF-8 (or from what it "
          + "is in)", column: field.column + (field.isQuoted ? 1 : 0) + wrong)
    }
    guard count > 0 else {
      throw CSVRow.Problem(
        message: "the text is missing (column \(column)): there is no word and no sign; fill or remove the row",
        column: field.column)
    }
    return count
  }

  /// The network's or, before there is one, that of the training rows.
  var vocabulary: DatasetRecord.Vocabulary { known ?? words.vocabulary(limits) }

  func check(_ path: String, column: String) throws(DatasetError) {
    guard known == nil, words.kept(limits).isEmpty else { return }
    throw DatasetError(
      .invalid, "\(path): \(WordCount.lack(limits, in: "the training rows of the column \(column)"))")
  }
}

extension VocabularyIndex {
  /// Calls `body` with each token of a cell and its place; answers how many there are. Allocates nothing where a cell has no
  /// quotes in it.
  func forEachToken(in field: CSVRow.Field, _ body: (Int, Int32) -> Void) -> Int {
    field.withTextBytes { forEachToken(in: $0, body) }
  }
}

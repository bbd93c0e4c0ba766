/// The numbers of the words in a column, whose words are known.
struct CSVWords: Sendable {
  let column: DatasetRecord.WordColumn
  private let origin: Origin
  /// By their bytes.
  private let sorted: [(bytes: [UInt8], number: Int)]

  /// Who says which words there are.
  enum Origin: Sendable {
    /// The network was trained with them.
    case training
    /// `data.columns` lists them.
    case settings
  }

  init(_ column: DatasetRecord.WordColumn, _ origin: Origin = .training) {
    (self.column, self.origin) = (column, origin)
    sorted = column.words.enumerated().map { (Array($1.utf8), $0) }
      .sorted { $0.bytes.lexicographicallyPrecedes($1.bytes) }
  }

  /// Allocates nothing where a cell has no quotes in it.
  func number(of field: CSVRow.Field) throws(CSVRow.Problem) -> Int {
    guard let bytes = field.plainBytes else { return try number(of: try field.text, at: field.column) }
    var (low, high) = (0, sorted.count)
    while low < high {
      let middle = (low + high) / 2
      if sorted[middle].bytes.lexicographicallyPrecedes(bytes) { low = middle + 1 } else { high = middle }
    }
    guard low < sorted.count, sorted[low].bytes.elementsEqual(bytes) else {
      return try number(of: try field.text, at: field.column)
    }
    return sorted[low].number
  }

  private func number(of text: String, at position: Int) throws(CSVRow.Problem) -> Int {
    guard !text.isEmpty else { throw .missingWord(in: column.column, at: position) }
    if let number = column.wordNumber(text) { return number }
    let cure =
      switch origin {
      case .training: "mend or remove the row, or train a network anew with rows that have the word"
      case .settings: "mend the row, or list the word too"
      }
    throw CSVRow.Problem(
      message: "\"\(text)\" is none of the words of the column \(column.column) that "
        + (origin == .training ? "the network was trained with" : "data.columns lists")
        + " (\(column.wordsInOrder)): \(cure)", column: position)
  }
}

/// What a pass over the rows finds in a column of words that nobody says.
struct CSVWordScan {
  private let column: String
  private let encoding: DatasetRecord.WordColumn.Encoding
  private var found: [String: Word] = [:]

  private struct Word {
    var text: String
    /// In how many training rows it stands.
    var count = 0
    /// Where it stands first.
    var line: Int
    var position: Int
  }

  init(_ column: String, _ encoding: DatasetRecord.WordColumn.Encoding) {
    (self.column, self.encoding) = (column, encoding)
  }

  mutating func add(_ field: CSVRow.Field, line: Int, isTraining: Bool) throws(CSVRow.Problem) {
    let text = try field.text
    guard !text.isEmpty else { throw .missingWord(in: column, at: field.column) }
    if let known = found[text] {
      // Equal as text, and yet not the same: é as one scalar and as two.
      guard known.text.utf8.elementsEqual(text.utf8) else {
        throw CSVRow.Problem(
          message: "the word \(text) is written with other Unicode scalars than before; write it in one form (NFC)",
          column: field.column)
      }
    } else {
      let most = DatasetRecord.WordColumn.most(encoding)
      guard found.count < most else {
        throw CSVRow.Problem(
          message: "the column \(column) has more than \(most) different words, too many for \(encoding.rawValue): "
            + "set it to \(encoding == .oneHot ? "ordinal or ignored" : "ignored") in data.columns",
          column: field.column)
      }
      found[text] = Word(text: text, line: line, position: field.column)
    }
    if isTraining { found[text]?.count += 1 }
  }

  /// The words of the training rows, sorted by their bytes; of data without training rows all.
  private var words: [Word] {
    let hasTraining = found.values.contains { $0.count > 0 }
    return found.values.filter { $0.count > 0 || !hasTraining }
      .sorted { $0.text.utf8.lexicographicallyPrecedes($1.text.utf8) }
  }

  func column(feature: Int) -> DatasetRecord.WordColumn {
    DatasetRecord.WordColumn(column, encoding, feature: feature, words: words.map(\.text))
  }

  /// How many training rows have each word.
  var counts: [Int] { words.map(\.count) }

  /// A word that stands in no training row, if there is one: the network would not know what it means.
  func check(_ path: String) throws(DatasetError) {
    let words = words
    let known = Set(words.map(\.text))
    let unknown = found.values.filter { !known.contains($0.text) }
      .min { ($0.line, $0.position) < ($1.line, $1.position) }
    guard let unknown else { return }
    let problem = CSVRow.Problem(
      message: "\"\(unknown.text)\" in the column \(column) stands in no training row, which have the words "
        + "\(DatasetRecord.WordColumn.words(words.map(\.text))): list all words, {\(column): {\(encoding.rawValue): "
        + "[…]}} in data.columns, or mend or remove the row", column: unknown.position)
    throw problem.error(in: path, line: unknown.line)
  }
}

extension CSVRow.Problem {
  fileprivate static func missingWord(in column: String, at position: Int) -> CSVRow.Problem {
    CSVRow.Problem(message: "a word is missing (column \(column))", column: position)
  }
}

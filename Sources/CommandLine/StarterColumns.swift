import Switchback

/// Which columns of a table a first network reads, which not, and why: guesses, each with what to change.
struct StarterColumns {
  private(set) var pictures: CSVSurvey.Column?
  private(set) var numbers: [CSVSurvey.Column] = []
  /// Words that become features.
  private(set) var words: [CSVSurvey.Column] = []
  /// Texts, and sequences of tokens.
  private(set) var texts: [(column: CSVSurvey.Column, text: CSVSurvey.Column.Text)] = []
  /// In the table's order.
  private(set) var ignored: [CSVSurvey.Column] = []
  private(set) var guesses: [String] = []

  init(of table: CSVSurvey, besides target: CSVSurvey.Column) throws {
    let others = table.columns.filter { $0 != target }
    pictures = others.first { $0.kind == .pictures }
    let features = others.filter { $0.kind == .numbers && $0.distinctCount != 1 }
    numbers = features.filter { !$0.numbersRows }
    func isOfFewWords(_ column: CSVSurvey.Column) -> Bool {
      column.fewWords.count > 1 && column.fewWords.count < table.rowCount
    }
    texts = others.compactMap { column in
      guard let text = column.text, column.empty == nil, text.isOfNumbers || !isOfFewWords(column) else { return nil }
      return (column, text)
    }
    let areTexts = Set(texts.map(\.column))
    words = others.filter { isOfFewWords($0) && !areTexts.contains($0) }
    // Better than nothing.
    let readsAll = !hasFeatures && pictures == nil && texts.isEmpty
    if readsAll { numbers = features }
    ignored = others.filter {
      !numbers.contains($0) && !words.contains($0) && !areTexts.contains($0) && $0 != pictures
    }
    guesses = words.map {
      "\($0.name) is one of \($0.fewWords.count) words, each of which becomes a feature; where they have an order say "
        + "ordinal in place of one_hot, and list them in it"
    }
    guesses += texts.map { column, text in
      "\(column.name) is \(text.isOfNumbers ? "tokens" : "text"), of which \(text.sequenceLength) tokens say enough; "
        + "data.sequence_length says otherwise, and ignored in data.columns leaves it out"
    }
    guesses += ignored.map { Self.words($0, in: table) }
    if readsAll { guesses += numbers.map { "\($0.name) only numbers the rows, but there is no other column to read" } }
    guard pictures != nil || hasFeatures || !texts.isEmpty else {
      throw DatasetError(
        .invalid,
        ([
          "\(table.path) has no column of numbers, pictures, texts or few words besides \(target.name) that tells samples apart"
        ]
          + guesses)
          .joined(separator: "\n  "))
    }
  }

  var hasFeatures: Bool { !numbers.isEmpty || !words.isEmpty }

  private static func words(_ column: CSVSurvey.Column, in table: CSVSurvey) -> String {
    let (reason, remedy): (String, String)
    switch column.kind {
    case .numbersWithGaps:
      reason = "it holds numbers, but not in \(cells(column.words, of: table)), and such rows cannot be read"
      remedy = "fill these cells or remove their rows, then take it out of data.columns"
    case .numbers where column.distinctCount == 1:
      (reason, remedy) = ("it has the same number in every row", "take it out of data.columns if later rows differ")
    case .numbers:
      (reason, remedy) = ("it only numbers the rows", "take it out of data.columns if it is a measurement")
    case .pictures:
      (reason, remedy) = ("one column of pictures can be read", "data.images names another")
    case .words where column.text != nil && column.empty != nil:
      reason = "it holds text, but not in \(cells(column.empty, of: table)), and such rows cannot be read"
      remedy = "fill these cells or remove their rows, then say text in data.columns"
    case .words:
      (reason, remedy) = (
        "it holds words, too many or only one", "say one_hot, ordinal or text in data.columns to use it"
      )
    }
    return "\(column.name) is ignored, since \(reason); \(remedy)"
  }

  /// How many cells that cannot be read, and where.
  static func cells(_ cells: CSVSurvey.Column.Cells?, of table: CSVSurvey) -> String {
    guard let cells else { return "" }
    let what = cells.text.isEmpty ? "empty" : "\"\(cells.text.prefix(20))\""
    let place = "\(cells.count == 1 ? "" : "the first ")in line \(cells.line): \(what)"
    return "\(cells.count) of \(table.rowCount) cells (\(place))"
  }
}

/// What was seen of a table's column so far. The first row is kept apart until it is known whether it names the columns.
struct ColumnLook {
  typealias Column = CSVSurvey.Column

  /// In the first row.
  private let first: Cell
  private var rowCount = 0
  private var numberCount = 0
  private var areWhole = true
  /// Whether each number is one more than the one above it.
  private var isCounting = true
  private var firstNumber: Double?
  private var lastNumber: Double?
  private(set) var isOfPictures = true
  /// Nil: too many to be counted.
  private var distinct: Set<String>? = []
  /// Those that hold no number.
  private var words: Column.Cells?
  private var empty: Column.Cells?
  private var areWordsMissing = true
  private var text = TextLook()

  private struct Cell {
    var text: String
    var number: Double?
    var line: Int

    init(_ field: CSVRow.Field, line: Int) throws(CSVRow.Problem) {
      (text, number, self.line) = (try field.text, try? field.double, line)
    }
  }

  init(first field: CSVRow.Field, line: Int) throws(CSVRow.Problem) { first = try Cell(field, line: line) }

  mutating func add(_ field: CSVRow.Field, line: Int) throws(CSVRow.Problem) {
    let cell = try Cell(field, line: line)
    add(cell)
    guard let number = cell.number else { return }
    if let lastNumber { isCounting = isCounting && number == lastNumber + 1 }
    if firstNumber == nil { firstNumber = number }
    lastNumber = number
  }

  private mutating func add(_ cell: Cell) {
    rowCount += 1
    isOfPictures = isOfPictures && ClassFileKind.images.contains(cell.text)
    distinct?.insert(cell.text)
    if distinct?.count ?? 0 > 1000 { distinct = nil }
    if let number = cell.number {
      numberCount += 1
      areWhole = areWhole && number == number.rounded()
      return
    }
    areWordsMissing = areWordsMissing && Self.isMissing(cell.text)
    if !cell.text.isEmpty { text.add(cell.text) }
    Self.count(cell, in: &words)
    if cell.text.isEmpty { Self.count(cell, in: &empty) }
  }

  private static func count(_ cell: Cell, in cells: inout Column.Cells?) {
    guard let known = cells, known.line < cell.line else {
      cells = Column.Cells(count: (cells?.count ?? 0) + 1, line: cell.line, text: cell.text)
      return
    }
    cells?.count += 1
  }

  /// The first row is one of data.
  mutating func addFirst() {
    add(first)
    guard let number = first.number else { return }
    if let firstNumber { isCounting = isCounting && firstNumber == number + 1 }
  }

  /// What tables write where there is no number.
  private static func isMissing(_ text: String) -> Bool {
    ["", "na", "n/a", "nan", "null", "none", "?", "-", "."].contains(text.lowercased())
  }

  private var isAlmostNumbers: Bool {
    guard numberCount > 0, let words else { return false }
    // Few different things, some of them words, are classes.
    let areMany = distinct?.count ?? Int.max > 20
    return areWordsMissing || areMany && words.count * 10 <= rowCount
  }

  /// Whether the first row names the columns: where below are numbers and it says a word, or where nothing tells otherwise.
  static func areNamed(_ looks: [ColumnLook]) -> Bool {
    if looks.contains(where: { ClassFileKind.images.contains($0.first.text) }) { return false }
    guard looks.contains(where: { $0.rowCount > 0 }) else { return looks.contains { $0.first.number == nil } }
    let numbers = looks.filter { $0.numberCount == $0.rowCount || $0.isAlmostNumbers }
    if numbers.contains(where: { $0.first.number == nil && !isMissing($0.first.text) }) { return true }
    if numbers.contains(where: { $0.first.number != nil }) { return false }
    return !looks.contains { !$0.first.text.isEmpty && $0.distinct?.contains($0.first.text) ?? false }
  }

  func column(named name: String) -> Column {
    let kind: Column.Kind =
      words == nil ? .numbers : isOfPictures ? .pictures : isAlmostNumbers ? .numbersWithGaps : .words
    let isKey = kind == .numbers && areWhole && (distinct.map { $0.count == rowCount } ?? true)
    var column = Column(
      name: name, kind: kind, isWhole: words == nil && areWhole, distinctCount: distinct?.count,
      numbersRows: isKey && (isCounting && rowCount >= 10 || Self.isKeyName(name)), words: words, empty: empty)
    // Behind a colon would stand a result of a layer.
    if kind == .words, !name.contains(":"), CSVFile.isName(name), CSVFile.isName(Field.lengths(of: name)),
      ![Field.images, Field.table, Field.sampleWeight, Field.labels].contains(name)
    {
      column.text = text.text
    }
    if kind == .words, empty == nil, let distinct, distinct.count <= 20 {
      column.fewWords = distinct.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
    return column
  }

  /// What columns are called that say which row it is.
  private static func isKeyName(_ name: String) -> Bool {
    let name = name.lowercased()
    return ["", "id", "index", "nr", "row", "rowid", "unnamed: 0"].contains(name) || name.hasSuffix("_id")
  }
}

/// A table in a text file: a column or some are what is to be learnt, all others are features, numbers `[k]`.
public struct CSVFile: Hashable, Sendable {
  public enum Targets: Hashable, Sendable {
    /// The label column holds words or numbers, each a class; classes count in the order of their names.
    case classes
    /// The label columns hold numbers.
    case values
  }

  public var path: String
  /// Columns by name, or by index from 0.
  public var labels: [String]
  public var targets: Targets
  /// The share of the rows that is for testing; which ones depends on their number alone.
  public var testSplit: Double
  public var hasHeader: Bool
  public var delimiter: UInt8
  /// Whether features are shifted and scaled to mean 0 and deviation 1 over the training part.
  public var isNormalized: Bool

  public init(
    path: String, labels: [String], targets: Targets = .classes, testSplit: Double = 0.2, hasHeader: Bool = true,
    delimiter: UInt8 = UInt8(ascii: ","), isNormalized: Bool = false
  ) {
    (self.path, self.labels, self.targets, self.testSplit) = (path, labels, targets, testSplit)
    (self.hasHeader, self.delimiter, self.isNormalized) = (hasHeader, delimiter, isNormalized)
  }

  /// Reads the file once, which finds every mistake in it, and keeps only where the rows are and their classes.
  public func open() throws(DatasetError) -> DatasetParts {
    let file = try RowFile(path)
    var scan = CSVScan(self)
    try file.forEachRow { (bytes, span, line) throws(DatasetError) in
      do throws(CSVRow.Problem) {
        try scan.add(CSVRow(bytes: bytes, delimiter: delimiter), span)
      } catch {
        throw DatasetError(.corrupt, "\(path):\(line):\(error.column): \(error.message)")
      }
    }
    return try scan.parts(of: file)
  }
}

/// What a column is for.
enum CSVColumn: Hashable, Sendable {
  case feature(Int)
  case label(Int)
}

/// The pass over a CSV file that finds rows, classes and the features' means.
struct CSVScan {
  private let settings: CSVFile
  private var columns: [CSVColumn]?
  private var featureCount = 0
  private var columnNames: [String] = []
  private var rows: [Row] = []
  private var classes: [String: Int32] = [:]
  private var (means, squares, trainCount) = ([Double](), [Double](), 0.0)

  private struct Row {
    var span: RowFile.Span
    var label: Int32
    var hash: UInt64
  }

  init(_ settings: CSVFile) { self.settings = settings }

  mutating func add(_ row: CSVRow, _ span: RowFile.Span) throws(CSVRow.Problem) {
    guard let columns else {
      try begin(with: row)
      if !settings.hasHeader { try add(row, span) }
      return
    }
    guard rows.count < Int32.max else { throw CSVRow.Problem(message: "there are more than 2³¹ rows", column: 1) }
    let hash = SplitHash.of(UInt64(rows.count))
    let isTrain = !SplitHash.isTest(hash, split: settings.testSplit)
    if isTrain { trainCount += 1 }
    var label: Int32 = 0
    let count = try row.forEachField { (index, field) throws(CSVRow.Problem) in
      guard index < columns.count else { return }
      switch columns[index] {
      case .label where settings.targets == .classes: label = try number(ofClass: field)
      case .label: _ = try field.number
      case .feature(let feature):
        let value = Double(try field.number)
        guard isTrain else { return }
        // Welford 1962: the sum of squared distances from a mean that moves.
        let distance = value - means[feature]
        means[feature] += distance / trainCount
        squares[feature] += distance * (value - means[feature])
      }
    }
    guard count == columns.count else {
      throw CSVRow.Problem(message: "the row has \(count) fields, and the first has \(columns.count)", column: 1)
    }
    rows.append(Row(span: span, label: label, hash: hash))
  }

  private mutating func number(ofClass field: CSVRow.Field) throws(CSVRow.Problem) -> Int32 {
    let name = try field.text
    guard !name.isEmpty else { throw CSVRow.Problem(message: "the class is missing", column: field.column) }
    if let known = classes[name] { return known }
    guard classes.count < 1 << 16 else {
      throw CSVRow.Problem(
        message: "there are more than \(1 << 16) classes; for numbers set data.targets to values", column: field.column)
    }
    let number = Int32(classes.count)
    classes[name] = number
    return number
  }

  private mutating func begin(with row: CSVRow) throws(CSVRow.Problem) {
    var names: [String] = []
    let count = try row.forEachField { (index, field) throws(CSVRow.Problem) in
      names.append(settings.hasHeader ? try field.text : "\(index)")
    }
    columnNames = names
    var places: [Int] = []
    for label in settings.labels {
      let index = names.firstIndex(of: label) ?? Int(label).flatMap { (0..<count).contains($0) ? $0 : nil }
      guard let index, !places.contains(index) else {
        throw CSVRow.Problem(
          message: index == nil
            ? "there is no column \(label) for the label; columns are \(names.prefix(20).joined(separator: ", "))"
              + (count > 20 ? ", …" : "") : "the label column \(label) is named twice", column: 1)
      }
      places.append(index)
    }
    guard !places.isEmpty, settings.targets == .values || places.count == 1, count > places.count else {
      throw CSVRow.Problem(
        message: "\(count) columns with the label \(settings.labels.joined(separator: ", ")): there must be one label "
          + "(or several, where targets are values) and a feature", column: 1)
    }
    featureCount = 0
    columns = (0..<count).map { index in
      if let label = places.firstIndex(of: index) { return .label(label) }
      defer { featureCount += 1 }
      return .feature(featureCount)
    }
    means = [Double](repeating: 0, count: featureCount)
    squares = means
  }

  func parts(of file: RowFile) throws(DatasetError) -> DatasetParts {
    guard let columns, !rows.isEmpty else { throw DatasetError(.corrupt, "\(settings.path) has no rows of data") }
    // Numbers count as numbers: 10 comes after 9.
    let names = classes.keys.sorted { a, b in
      if let x = Int(a), let y = Int(b) { return x < y }
      return a < b
    }
    var numbers = [Int32](repeating: 0, count: names.count)
    for (index, name) in names.enumerated() { numbers[Int(classes[name] ?? 0)] = Int32(index) }
    let isNormalized = settings.isNormalized
    let deviations = squares.map { ($0 / max(trainCount, 1)).squareRoot() }
    let table = CSVTable(
      file: file, delimiter: settings.delimiter, columns: columns, featureCount: featureCount, classNames: names,
      targets: settings.targets == .classes ? .classes : .values(settings.labels.count),
      shifts: means.map { isNormalized ? Float($0) : 0 },
      scales: deviations.map { isNormalized && $0 > 0 ? Float(1 / $0) : 1 })
    // Not in the file's order, which may be sorted: the last share of the training part may be held back.
    let mixed = rows.sorted { ($0.hash, $0.span.offset) < ($1.hash, $1.span.offset) }
    func part(_ isTest: Bool) throws(DatasetError) -> CSVRows {
      let kept = mixed.filter { SplitHash.isTest($0.hash, split: settings.testSplit) == isTest }
      guard !kept.isEmpty else {
        throw DatasetError(
          .invalid,
          "\(settings.path): of \(rows.count) rows none is for \(isTest ? "testing" : "training"); change test_split "
            + "(\(settings.testSplit)) or add rows")
      }
      return CSVRows(
        table: table, spans: kept.map(\.span),
        labels: settings.targets == .classes ? kept.map { numbers[Int($0.label)] } : [])
    }
    let record = DatasetRecord(
      source: "csv", sampleShape: [featureCount], targets: table.targets, classNames: names,
      features: zip(columns, columnNames).compactMap { column, name in
        if case .feature = column { name } else { nil }
      }, labels: settings.labels,
      normalization: isNormalized
        ? zip(means, deviations).map { DatasetRecord.Normalization(mean: $0, deviation: $1) } : [], identity: "")
    return DatasetParts(train: try part(false), test: try part(true), record: record)
  }
}

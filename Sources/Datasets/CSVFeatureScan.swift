/// The columns that features are made of, as a pass over the rows sees them.
struct CSVFeatureScan {
  /// Whether means and deviations of the training rows are looked for.
  private let fits: Bool
  private let isNormalized: Bool
  private var columns: [Column] = []

  private struct Column {
    var name: String
    /// Of a column of words: those that are known before, or those that are found.
    var known: CSVWords?
    var found: CSVWordScan?
    /// How many training rows have each of the known words.
    var counts: [Int] = []
    /// Of numbers over the training rows.
    var moments = Moments()
  }

  init(isNormalized: Bool, fits: Bool) { (self.isNormalized, self.fits) = (isNormalized, fits) }

  var count: Int { columns.count }

  mutating func removeAll() { columns = [] }

  mutating func append(numbers name: String) { columns.append(Column(name: name)) }

  mutating func append(_ name: String, known words: CSVWords) {
    columns.append(
      Column(name: name, known: words, counts: [Int](repeating: 0, count: words.column.words.count)))
  }

  mutating func append(_ name: String, words encoding: DatasetRecord.WordColumn.Encoding) {
    columns.append(Column(name: name, found: CSVWordScan(name, encoding)))
  }

  mutating func add(
    _ field: CSVRow.Field, to column: Int, line: Int, isTraining: Bool
  ) throws(CSVRow.Problem) {
    if columns[column].found != nil {
      try columns[column].found?.add(field, line: line, isTraining: isTraining)
    } else if let words = columns[column].known {
      let number = try words.number(of: field)
      if isTraining { columns[column].counts[number] += 1 }
    } else {
      let number = try self.number(of: field, in: columns[column].name)
      guard isTraining, fits else { return }
      columns[column].moments.add(number)
    }
  }

  private func number(of field: CSVRow.Field, in column: String) throws(CSVRow.Problem) -> Double {
    do throws(CSVRow.Problem) {
      // What is normalized may be outside of Float32 before.
      return isNormalized ? try field.double : Double(try field.number)
    } catch {
      throw CSVRow.Problem(
        message: "\(error.message) (column \(column); all columns but the label must hold numbers; of others "
          + "data.columns says what they are: one_hot or ordinal of words, or ignored)", column: error.column)
    }
  }

  // MARK: What was found

  /// The columns with the features that they become.
  var found: [DatasetRecord.FeatureColumn] {
    var found: [DatasetRecord.FeatureColumn] = []
    var feature = 0
    for column in columns {
      var words = column.found?.column(feature: feature) ?? column.known?.column
      words?.feature = feature
      found.append(DatasetRecord.FeatureColumn(name: column.name, feature: feature, words: words))
      feature += found.last?.featureCount ?? 1
    }
    return found
  }

  /// Whether a word that is found may be in no training row.
  func check(_ path: String) throws(DatasetError) {
    for column in columns { try column.found?.check(path) }
  }

  /// One a feature, over the training rows: of numbers and of ordered words; the zeros and ones of words stay as they are.
  var normalization: [DatasetRecord.Normalization] {
    zip(columns, found).flatMap { column, found -> [DatasetRecord.Normalization] in
      guard let words = found.words else {
        return [.init(mean: column.moments.mean, deviation: column.moments.deviation)]
      }
      guard words.encoding == .ordinal else {
        return [DatasetRecord.Normalization](repeating: .init(mean: 0, deviation: 1), count: words.words.count)
      }
      let counts = (column.found?.counts ?? column.counts).map(Double.init)
      let count = max(counts.reduce(0, +), 1)
      let mean = counts.enumerated().reduce(0) { $0 + Double($1.offset) * $1.element } / count
      let squares = counts.enumerated().reduce(0) {
        $0 + (Double($1.offset) - mean) * (Double($1.offset) - mean) * $1.element
      }
      return [.init(mean: mean, deviation: (squares / count).squareRoot())]
    }
  }
}

import Switchback

extension StarterConfiguration {
  /// For a table that is a time series, a row a step: the next step is learnt of the steps before it, of all columns that are
  /// numbers. `label` is the column that is to be learnt; nil: the one whose name says so, or the last of numbers.
  init(forSeries table: CSVSurvey, label: String?) throws {
    let read = table.columns.filter { $0.kind == .numbers && $0.distinctCount != 1 && !$0.numbersRows }
    let left = table.columns.filter { !read.contains($0) }.map { Self.leftOut($0, of: table) }
    let target = try Self.target(label, of: table, among: read)
    guard let target else {
      throw DatasetError(
        .invalid,
        (["\(table.path) has no column of numbers that could be a series"] + left).joined(separator: "\n  "))
    }
    // The validation part has 8 of 100 steps. A window takes half of these, so that the part has several.
    let steps = table.rowCount * 8 / 100
    let window = min(24, steps / 2)
    guard window > 0 else {
      throw DatasetError(
        .invalid,
        "\(table.path) has \(table.rowCount) steps, too few for windows in a training, a validation and a test part: at least "
          + "25 are needed")
    }
    var data = ["dataset: \(TimeSeries.word)", "path: \(Self.word(table.path))"]
    if !left.isEmpty {
      data.append("columns: [\(read.map { Self.word($0.name) }.joined(separator: ", "))] # what is read")
    }
    data.append("target: \(Self.word(target.name))" + (label == nil ? " # what is to be learnt: a guess" : ""))
    data += [
      "window: \(window) # steps of a sample", "horizon: 1 # how many steps behind a window its target stands",
      "stride: 1 # steps between the beginnings of windows",
    ]
    if !table.hasHeader { data.append("header: false") }
    if let delimiter = Self.delimiter(of: table) { data.append("delimiter: \(delimiter)") }
    data += [
      "normalize: true # columns that are read get mean 0 and deviation 1; the target stays as it is",
      "test_split: 0.2 # the last steps", "validation_split: 0.1 # the steps before them",
    ]
    let text = Self.text(
      "A small network on the series \(table.path): \(table.rowCount) steps; it learns the next \(target.name).",
      inputs: nil,
      ["lstm: {units: 32}", "dense: {units: 1}"], data: data, samples: table.rowCount,
      loss: "mean_squared_error",
      optimizer: Self.optimizerOfSequences)
    self.init(
      text: text,
      guesses: Self.guesses(of: table)
        + (label == nil ? ["the column \(target.name) is to be learnt; --label names another"] : [])
        + ["\(window) steps say enough of the next; data.window says otherwise"] + left)
  }

  private static func target(
    _ label: String?, of table: CSVSurvey, among read: [CSVSurvey.Column]
  ) throws -> CSVSurvey.Column? {
    guard let label else {
      return labelNames.lazy.compactMap { name in read.first { $0.name.lowercased() == name } }.first ?? read.last
    }
    let column = try column(label, of: table)
    guard column.kind == .numbers else {
      throw DatasetError(
        .invalid, "\(table.path): the column \(column.name) cannot be learnt: \(reason(column, in: table))")
    }
    return read.isEmpty ? nil : column
  }

  private static func leftOut(_ column: CSVSurvey.Column, of table: CSVSurvey) -> String {
    "\(column.name) is not read, since \(reason(column, in: table)); data.columns lists what is read"
  }

  private static func reason(_ column: CSVSurvey.Column, in table: CSVSurvey) -> String {
    switch column.kind {
    case .numbers where column.distinctCount == 1: "it has the same number in every row"
    case .numbers: "it only numbers the rows"
    case .numbersWithGaps: "it holds no number in \(StarterColumns.cells(column.words, of: table))"
    case .pictures, .words: "it holds no numbers"
    }
  }
}

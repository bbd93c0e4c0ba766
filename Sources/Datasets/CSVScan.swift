/// The pass over a CSV file that finds rows, classes and the features' means.
struct CSVScan {
  private let settings: CSVFile
  private let request: DatasetRequest
  private var columns: [CSVColumn]?
  private var names: [String] = []
  private var ignored: [String] = []
  private var featureCount = 0
  private var rows: [Row] = []
  /// By name, the number in the order in which they come.
  private var classes: [String: Int32] = [:]
  private var classNames: [String] = []
  private var classCounts: [Int] = []
  private var (means, squares, trainCount) = ([Double](), [Double](), 0.0)

  private struct Row {
    var span: RowFile.Span
    var label: Int32
    var hash: UInt64
    var part: DatasetRecord.Part.Name
  }

  init(_ settings: CSVFile, _ request: DatasetRequest) { (self.settings, self.request) = (settings, request) }

  /// The columns that the network was trained with, in the order of its inputs.
  private var knownFeatures: [String]? {
    request.record.flatMap { $0.features.isEmpty ? nil : $0.features }
  }

  /// Whether means and deviations are to be found here: not where the network brings its own.
  private var fits: Bool { settings.isNormalized && request.record?.normalization.isEmpty ?? true }

  mutating func add(_ row: CSVRow, _ span: RowFile.Span) throws(CSVRow.Problem) {
    guard let columns else {
      try begin(with: row)
      if !settings.hasHeader { try add(row, span) }
      return
    }
    guard rows.count < Int32.max else { throw CSVRow.Problem(message: "there are more than 2³¹ rows", column: 1) }
    let hash = SplitHash.of(UInt64(rows.count))
    let part = request.part(of: hash, testSplit: settings.testSplit)
    if part == .train { trainCount += 1 }
    var label: Int32 = 0
    let count = try row.forEachField { (index, field) throws(CSVRow.Problem) in
      guard index < columns.count else { return }
      switch columns[index] {
      case .label where settings.targets == .classes: label = try number(ofClass: field)
      case .label: _ = try field.number
      case .ignored: break
      case .feature(let feature):
        // What is normalized may be outside of Float32 before.
        let value: Double
        do throws(CSVRow.Problem) {
          value = settings.isNormalized ? try field.double : Double(try field.number)
        } catch {
          throw CSVRow.Problem(
            message: "\(error.message) (column \(names[index]); all columns but the label must hold numbers)",
            column: error.column)
        }
        guard part == .train, fits else { return }
        // Welford 1962: the sum of squared distances from a mean that moves.
        let distance = value - means[feature]
        means[feature] += distance / trainCount
        squares[feature] += distance * (value - means[feature])
      }
    }
    guard count == columns.count else { throw CSVRow.Problem.length(count, first: columns.count) }
    rows.append(Row(span: span, label: label, hash: hash, part: part))
  }

  /// Whether the row has another number of fields than the first; nil where it has as many, or cannot be taken apart.
  func lengthProblem(of row: CSVRow) -> CSVRow.Problem? {
    guard let columns, let count = try? row.forEachField({ _, _ in }), count != columns.count else { return nil }
    return .length(count, first: columns.count)
  }

  private mutating func number(ofClass field: CSVRow.Field) throws(CSVRow.Problem) -> Int32 {
    let name = try field.text
    guard !name.isEmpty else { throw CSVRow.Problem(message: "the class is missing", column: field.column) }
    if let known = classes[name] {
      // Equal as text, and yet not the same: é as one scalar and as two.
      guard classNames[Int(known)].utf8.elementsEqual(name.utf8) else {
        throw CSVRow.Problem(
          message: "the class \(name) is written with other Unicode scalars than before; write it in one form (NFC)",
          column: field.column)
      }
      classCounts[Int(known)] += 1
      return known
    }
    guard classes.count < 1 << 16 else {
      throw CSVRow.Problem(
        message: "there are more than \(1 << 16) classes; for numbers set data.targets to values", column: field.column)
    }
    let number = Int32(classes.count)
    classes[name] = number
    classNames.append(name)
    classCounts.append(1)
    return number
  }

  private mutating func begin(with row: CSVRow) throws(CSVRow.Problem) {
    let count = try row.forEachField { (index, field) throws(CSVRow.Problem) in
      names.append(settings.hasHeader ? try field.text : "\(index)")
    }
    var places: [Int] = []
    // By name where the network knows the names: the file at hand may have its columns in another order.
    let known = request.record.flatMap { settings.hasHeader && !$0.labels.isEmpty ? $0.labels : nil }
    for label in known ?? settings.labels {
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
    let features = names.indices.filter { !places.contains($0) }
    var columns = [CSVColumn](repeating: .ignored, count: count)
    for (label, index) in places.enumerated() { columns[index] = .label(label) }
    if settings.hasHeader, let known = knownFeatures {
      // The network's inputs, wherever they stand in this file.
      let missing = known.filter { name in !features.contains { names[$0] == name } }
      guard missing.isEmpty else {
        throw CSVRow.Problem(
          message: "there is no column \(missing.joined(separator: ", ")), which the network was trained with",
          column: 1)
      }
      for (feature, name) in known.enumerated() {
        if let index = features.first(where: { names[$0] == name && columns[$0] == .ignored }) {
          columns[index] = .feature(feature)
        }
      }
      ignored = features.filter { columns[$0] == .ignored }.map { names[$0] }
      featureCount = known.count
    } else {
      for (feature, index) in features.enumerated() { columns[index] = .feature(feature) }
      featureCount = features.count
      if let known = knownFeatures, known.count != featureCount {
        throw CSVRow.Problem(
          message: "there are \(featureCount) features, and the network was trained with \(known.count)", column: 1)
      }
    }
    if let shape = request.record?.sampleShape, shape != [featureCount] {
      throw CSVRow.Problem(
        message: "there are \(featureCount) features, and the network was trained with samples \(shape)", column: 1)
    }
    self.columns = columns
    means = [Double](repeating: 0, count: featureCount)
    squares = means
  }

  /// The names of the columns with that purpose, in its order.
  private func columnNames(_ place: (CSVColumn) -> Int?) -> [String] {
    (columns ?? []).enumerated().compactMap { index, column in place(column).map { ($0, names[index]) } }
      .sorted { $0.0 < $1.0 }.map(\.1)
  }

  /// Over the training rows.
  private var fitted: [DatasetRecord.Normalization] {
    zip(means, squares).map { .init(mean: $0, deviation: ($1 / max(trainCount, 1)).squareRoot()) }
  }

  func parts(of file: RowFile) throws(DatasetError) -> DatasetParts {
    guard let columns, !rows.isEmpty else { throw DatasetError(.corrupt, "\(settings.path) has no rows of data") }
    let hasClasses = settings.targets == .classes
    let map = ClassMap(found: classNames, counts: classCounts, known: hasClasses ? request.classNames : nil)
    let normalization = !settings.isNormalized ? [] : fits ? fitted : request.record?.normalization ?? []
    if let index = normalization.firstIndex(where: { !$0.mean.isFinite || !$0.deviation.isFinite }) {
      let name = columnNames { if case .feature(let place) = $0 { place } else { nil } }[index]
      throw DatasetError(
        .invalid, "\(settings.path): the numbers of column \(name) are too large to be normalized; scale them first")
    }
    let table = CSVTable(
      file: file, delimiter: settings.delimiter, columns: columns, featureCount: featureCount,
      classNames: hasClasses ? map.names : [],
      targets: hasClasses ? .classes : .values(settings.labels.count), normalization: normalization)
    // Shuffled by their hashes, because runs of earlier programs split off the tail.
    let mixed = rows.filter { !hasClasses || map.numbers[Int($0.label)] != nil }
      .sorted { ($0.hash, $0.span.offset) < ($1.hash, $1.span.offset) }
    func part(_ name: DatasetRecord.Part.Name) throws(DatasetError) -> CSVRows {
      let kept = mixed.filter { $0.part == name }
      guard !kept.isEmpty || request.mayLackParts || name == .validation else {
        throw DatasetError(
          .invalid,
          "\(settings.path): of \(rows.count) rows none is for \(name == .test ? "testing" : "training"); change "
            + "test_split (\(settings.testSplit)) or add rows")
      }
      return CSVRows(
        table: table, spans: kept.map(\.span),
        labels: hasClasses ? kept.map { map.numbers[Int($0.label)] ?? 0 } : [])
    }
    let validation = try part(.validation)
    var notes = map.notes
    if !ignored.isEmpty {
      notes.append("the network was trained without the columns \(ignored.joined(separator: ", ")): they are not used")
    }
    return DatasetParts(
      train: try part(.train), validation: validation.count > 0 ? validation : nil, test: try part(.test),
      record: DatasetRecord(
        source: "csv", sampleShape: [featureCount], targets: table.targets, classNames: table.classNames,
        features: columnNames { if case .feature(let place) = $0 { place } else { nil } },
        labels: columnNames { if case .label(let place) = $0 { place } else { nil } }, normalization: normalization,
        identity: try Checksum.identity(ofContents: [settings.path])),
      notes: notes)
  }
}

/// The pass over a CSV file that finds rows, classes, pictures and the features' means.
struct CSVScan {
  private let settings: CSVFile
  private let request: DatasetRequest
  private let file: RowFile
  /// What is learnt, with its columns as the network knows them.
  private var learnt: [CSVFile.Target] = []
  private var columns: [CSVColumn]?
  private var names: [String] = []
  private var ignored: [String] = []
  private var featureCount = 0
  private var rows: [Row] = []
  /// One a target of classes, and of each row their numbers.
  private var classes: [CSVClasses] = []
  private var classNumbers: [Int32] = []
  /// Of each target, which of these is its own.
  private var classPlaces: [Int?] = []
  private var mentioned: CSVPictures?
  private var (means, squares, trainCount) = ([Double](), [Double](), 0.0)

  private struct Row {
    var span: RowFile.Span
    var number: Int32
    var hash: UInt64
    var part: DatasetRecord.Part.Name
  }

  init(_ settings: CSVFile, _ request: DatasetRequest, _ file: RowFile) {
    (self.settings, self.request, self.file) = (settings, request, file)
  }

  /// The columns that the network was trained with, in the order of its inputs.
  private var knownFeatures: [String]? {
    request.record.flatMap { record in record.inputs.first { !$0.features.isEmpty }?.features }
  }

  private var knownNormalization: [DatasetRecord.Normalization] {
    request.record?.inputs.flatMap(\.normalization) ?? []
  }

  /// Whether means and deviations are to be found here: not where the network brings its own.
  private var fits: Bool { settings.isNormalized && knownNormalization.isEmpty }

  mutating func add(_ row: CSVRow, _ span: RowFile.Span, line: Int) throws(CSVRow.Problem) {
    guard let columns else {
      try begin(with: row)
      if !settings.hasHeader { try add(row, span, line: line) }
      return
    }
    guard rows.count < Int32.max else { throw CSVRow.Problem(message: "there are more than 2³¹ rows", column: 1) }
    let hash = SplitHash.of(UInt64(rows.count))
    let part = request.part(of: hash, testSplit: settings.testSplit)
    if part == .train { trainCount += 1 }
    let firstClass = classNumbers.count
    for _ in classes { classNumbers.append(0) }
    let count = try row.forEachField { (index, field) throws(CSVRow.Problem) in
      guard index < columns.count else { return }
      switch columns[index] {
      case .label(let target, _):
        if let place = classPlaces[target] {
          classNumbers[firstClass + place] = try classes[place].number(of: field)
        } else {
          _ = try field.number
        }
      case .picture: try mentioned?.add(field, line: line)
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
    rows.append(Row(span: span, number: Int32(rows.count), hash: hash, part: part))
  }

  /// Whether the row has another number of fields than the first; nil where it has as many, or cannot be taken apart.
  func lengthProblem(of row: CSVRow) -> CSVRow.Problem? {
    guard let columns, let count = try? row.forEachField({ _, _ in }), count != columns.count else { return nil }
    return .length(count, first: columns.count)
  }

  // MARK: The first row

  private mutating func begin(with row: CSVRow) throws(CSVRow.Problem) {
    let count = try row.forEachField { (index, field) throws(CSVRow.Problem) in
      names.append(settings.hasHeader ? try field.text : "\(index)")
    }
    learnt = try knownTargets() ?? settings.learnt
    for target in learnt {
      classPlaces.append(target.targets == .classes ? classes.count : nil)
      if target.targets == .classes { classes.append(CSVClasses()) }
    }
    var columns = [CSVColumn](repeating: .ignored, count: count)
    try placeLabels(in: &columns)
    try placePictures(in: &columns)
    let ignored = try ignoredPlaces(columns)
    let features = names.indices.filter { columns[$0] == .ignored && !ignored.contains($0) }
    guard !learnt.isEmpty, learnt.allSatisfy({ $0.columns.count == 1 || $0.targets == .values && !$0.columns.isEmpty }),
      mentioned != nil || !features.isEmpty
    else {
      throw CSVRow.Problem(
        message: "\(count) columns with the label \(settings.labels.joined(separator: ", ")): there must be one label "
          + "(or several, where targets are values) and a feature", column: 1)
    }
    try placeFeatures(features, in: &columns)
    self.columns = columns
    means = [Double](repeating: 0, count: featureCount)
    squares = means
    try checkInputs()
  }

  /// What the network learns, by the names of its columns; nil where the file has no names, or the network knows none.
  private func knownTargets() throws(CSVRow.Problem) -> [CSVFile.Target]? {
    guard settings.hasHeader, let record = request.record, !record.labels.isEmpty else { return nil }
    let known = record.learnt
    let isSame =
      known.count == settings.learnt.count
      && zip(known, settings.learnt).allSatisfy { known, target in
        known.name == target.name && (known.targets == .classes) == (target.targets == .classes)
          && known.columns.count == target.columns.count
      }
    guard isSame else {
      func words(_ targets: [(name: String, columns: [String])]) -> String {
        targets.map { "\($0.name) (\($0.columns.joined(separator: ", ")))" }.joined(separator: ", ")
      }
      throw CSVRow.Problem(
        message: "the network learns \(words(known.map { ($0.name, $0.columns) })), and the configuration says "
          + words(settings.learnt.map { ($0.name, $0.columns) }), column: 1)
    }
    return zip(known, settings.learnt).map { CSVFile.Target($0.name, columns: $0.columns, $1.targets) }
  }

  /// The column of a name or, where none has it, of an index from 0.
  private func place(of column: String) -> Int? {
    names.firstIndex(of: column) ?? Int(column).flatMap { names.indices.contains($0) ? $0 : nil }
  }

  private var columnWords: String {
    "columns are \(names.prefix(20).joined(separator: ", "))" + (names.count > 20 ? ", …" : "")
  }

  private mutating func placeLabels(in columns: inout [CSVColumn]) throws(CSVRow.Problem) {
    for (target, settings) in learnt.enumerated() {
      for (element, label) in settings.columns.enumerated() {
        guard let index = place(of: label), columns[index] == .ignored else {
          throw CSVRow.Problem(
            message: place(of: label) == nil
              ? "there is no column \(label) for the label; \(columnWords)"
              : "the label column \(label) is named twice", column: 1)
        }
        columns[index] = .label(target: target, element: element)
      }
    }
  }

  private mutating func placePictures(in columns: inout [CSVColumn]) throws(CSVRow.Problem) {
    guard let pictures = settings.pictures else { return }
    let known = settings.hasHeader ? request.record?.inputs.compactMap(\.column).first : nil
    let column = known ?? pictures.column
    guard let index = place(of: column), columns[index] == .ignored else {
      throw CSVRow.Problem(
        message: place(of: column) == nil
          ? "there is no column \(column) for the pictures; \(columnWords)"
          : "the column \(column) is to be learnt, and cannot name the pictures", column: 1)
    }
    columns[index] = .picture
    mentioned = CSVPictures(table: settings.path, column: names[index])
  }

  /// What the configuration does not want read; a later file need not have it.
  private func ignoredPlaces(_ columns: [CSVColumn]) throws(CSVRow.Problem) -> Set<Int> {
    var places: Set<Int> = []
    for column in settings.ignored {
      // In another file there may stand another column at that place.
      let found = request.record == nil ? place(of: column) : names.firstIndex(of: column)
      guard let place = found else {
        guard request.record == nil else { continue }
        throw CSVRow.Problem(message: "there is no column \(column), which is to be ignored; \(columnWords)", column: 1)
      }
      guard columns[place] == .ignored else {
        throw CSVRow.Problem(message: "the column \(column) cannot be ignored: it is read", column: 1)
      }
      places.insert(place)
    }
    return places
  }

  private mutating func placeFeatures(_ features: [Int], in columns: inout [CSVColumn]) throws(CSVRow.Problem) {
    let known = knownFeatures
    guard settings.hasHeader, let known else {
      for (feature, index) in features.enumerated() { columns[index] = .feature(feature) }
      featureCount = features.count
      if let known, known.count != featureCount {
        throw CSVRow.Problem(
          message: "there are \(featureCount) features, and the network was trained with \(known.count)", column: 1)
      }
      return
    }
    // The network's inputs, wherever they stand in this file.
    let missing = known.filter { name in !features.contains { names[$0] == name } }
    guard missing.isEmpty else {
      throw CSVRow.Problem(
        message: "there is no column \(missing.joined(separator: ", ")), which the network was trained with",
        column: 1)
    }
    for (feature, name) in known.enumerated() {
      guard let index = features.first(where: { names[$0] == name && columns[$0] == .ignored }) else {
        throw CSVRow.Problem(
          message: "there are fewer columns \(name) than the network was trained with", column: 1)
      }
      columns[index] = .feature(feature)
    }
    ignored = features.filter { columns[$0] == .ignored }.map { names[$0] }
    featureCount = known.count
  }

  /// Whether the fields are those that the network was trained with.
  private mutating func checkInputs() throws(CSVRow.Problem) {
    guard let record = request.record else { return }
    // A network that was trained on pictures alone reads no other columns.
    if mentioned != nil, record.inputs.count == 1, featureCount > 0 {
      ignored = names.indices.filter { if case .feature = columns?[$0] { true } else { false } }.map { names[$0] }
      for index in names.indices { if case .feature = columns?[index] { columns?[index] = .ignored } }
      featureCount = 0
    }
    func words(_ inputs: [DatasetRecord.Input]) -> String {
      inputs.map { "\($0.name) \($0.shape)" }.joined(separator: " and ")
    }
    let inputs = inputs(normalization: [])
    guard inputs.map(\.name) != record.inputs.map(\.name) || inputs.map(\.shape) != record.inputs.map(\.shape) else {
      return
    }
    throw CSVRow.Problem(
      message: mentioned == nil && record.inputs.count == 1
        ? "there are \(featureCount) features, and the network was trained with samples \(record.sampleShape)"
        : "the samples have \(words(inputs)), and the network was trained with \(words(record.inputs))", column: 1)
  }

  // MARK: What was found

  /// The pictures that rows name.
  var pictures: [ImageCheck.File] { mentioned?.files ?? [] }

  /// What the files were: over the table's contents and, where there are pictures, their names and sizes.
  var identity: String {
    get throws(DatasetError) {
      let contents = try Checksum.identity(ofContents: [settings.path])
      guard let mentioned else { return contents }
      return "sha256:" + (try Checksum.sha256(of: (contents + "\n" + mentioned.sizes()).utf8))
    }
  }

  /// A sum over what the pictures hold.
  var pictureContents: String? { mentioned?.contentsSum }

  /// What table and pictures hold.
  var contents: String {
    get throws(DatasetError) {
      guard let mentioned else { return try Checksum.identity(ofContents: [settings.path]) }
      return try mentioned.contents
    }
  }

  /// The names of the columns with that purpose, in its order.
  private func columnNames(_ place: (CSVColumn) -> Int?) -> [String] {
    (columns ?? []).enumerated().compactMap { index, column in place(column).map { ($0, names[index]) } }
      .sorted { $0.0 < $1.0 }.map(\.1)
  }

  /// The fields that a network may read.
  private func inputs(normalization: [DatasetRecord.Normalization]) -> [DatasetRecord.Input] {
    var inputs: [DatasetRecord.Input] = []
    if let pictures = settings.pictures, let mentioned {
      inputs.append(
        DatasetRecord.Input(
          Field.images, [pictures.height, pictures.width, pictures.channels],
          channels: pictures.channels == 1 ? .gray : .rgb, column: mentioned.column, elementType: request.pictureType,
          fit: pictures.fit))
    }
    if featureCount > 0 {
      inputs.append(
        DatasetRecord.Input(
          mentioned == nil ? Field.images : Field.table, [featureCount],
          features: columnNames { if case .feature(let place) = $0 { place } else { nil } },
          normalization: normalization))
    }
    return inputs
  }

  /// Over the training rows.
  private var fitted: [DatasetRecord.Normalization] {
    zip(means, squares).map { .init(mean: $0, deviation: ($1 / max(trainCount, 1)).squareRoot()) }
  }

  /// What samples are, and of each target of classes the network's numbers of those found here.
  private func table() throws(DatasetError) -> (inputs: [DatasetRecord.Input], table: CSVTable, maps: [ClassMap]) {
    guard let columns, !rows.isEmpty else { throw DatasetError(.corrupt, "\(settings.path) has no rows of data") }
    let normalization = !settings.isNormalized ? [] : fits ? fitted : knownNormalization
    if let index = normalization.firstIndex(where: { !$0.mean.isFinite || !$0.deviation.isFinite }) {
      let name = columnNames { if case .feature(let place) = $0 { place } else { nil } }[index]
      throw DatasetError(
        .invalid, "\(settings.path): the numbers of column \(name) are too large to be normalized; scale them first")
    }
    var (maps, targets) = ([ClassMap](), [DatasetLayout.Target]())
    for (target, place) in zip(learnt, classPlaces) {
      guard let place else {
        targets.append(.init(target.name, .values(target.columns.count)))
        continue
      }
      let found = classes[place]
      let map = ClassMap(found: found.names, counts: found.counts, known: request.classNames(of: target.name))
      maps.append(map)
      targets.append(.init(target.name, .classes, classNames: map.names))
    }
    let inputs = inputs(normalization: normalization)
    let table = CSVTable(
      file: file, delimiter: settings.delimiter, columns: columns, inputs: inputs, targets: targets)
    return (inputs, table, maps)
  }

  func layout() throws(DatasetError) -> DatasetLayout {
    let table = try table().table
    return CSVRows(table: table, spans: [], classNumbers: []).layout
  }

  /// `identity` is what the record says of the files.
  func parts(identity: String) throws(DatasetError) -> DatasetParts {
    let (inputs, table, maps) = try table()
    let step = maps.count
    /// The network's class numbers of a row; nil where it does not know one.
    func numbers(_ row: Row) -> [Int32]? {
      var numbers: [Int32] = []
      for (place, map) in maps.enumerated() {
        guard let number = map.numbers[Int(classNumbers[Int(row.number) * step + place])] else { return nil }
        numbers.append(number)
      }
      return numbers
    }
    // Shuffled by their hashes, because runs of earlier programs split off the tail.
    let mixed = rows.filter { numbers($0) != nil }
      .sorted { ($0.hash, $0.span.offset) < ($1.hash, $1.span.offset) }
    func part(_ name: DatasetRecord.Part.Name) throws(DatasetError) -> CSVRows {
      let kept = mixed.filter { $0.part == name }
      guard !kept.isEmpty || request.mayLackParts || name == .validation else {
        throw DatasetError(
          .invalid,
          "\(settings.path): of \(rows.count) rows none is for \(name == .test ? "testing" : "training"); change "
            + "test_split (\(settings.testSplit)) or add rows")
      }
      return CSVRows(table: table, spans: kept.map(\.span), classNumbers: kept.flatMap { numbers($0) ?? [] })
    }
    let validation = try part(.validation)
    var notes: [String] = []
    let classTargets = table.targets.filter { $0.targets == .classes }
    for (target, map) in zip(classTargets, maps) {
      notes += map.notes.map { target.name == Field.labels ? $0 : "\(target.name): \($0)" }
    }
    if !ignored.isEmpty {
      notes.append("the network was trained without the columns \(ignored.joined(separator: ", ")): they are not used")
    }
    let targets = zip(table.targets, learnt).enumerated().map { index, pair in
      DatasetRecord.Target(
        pair.0.name,
        columns: columnNames { if case .label(index, let element) = $0 { element } else { nil } },
        pair.0.targets, classNames: pair.0.classNames)
    }
    var record = DatasetRecord(source: "csv", inputs: inputs, learnt: targets, identity: identity)
    if !settings.hasHeader { record.columnCount = names.count }
    return DatasetParts(
      train: try part(.train), validation: validation.count > 0 ? validation : nil, test: try part(.test),
      record: record, notes: notes
    ).counted(request, testSplit: settings.testSplit)
  }
}

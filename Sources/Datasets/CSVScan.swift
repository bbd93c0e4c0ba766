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
  private var features: CSVFeatureScan
  private var tokens: [CSVTokenScan] = []
  private let knownNormalization: [DatasetRecord.Normalization]
  private var rows: [Row] = []
  /// One a target of classes, and of each row their numbers.
  private var classes: [CSVClasses] = []
  private var classNumbers: [Int32] = []
  /// Of each target, which of these is its own.
  private var classPlaces: [Int?] = []
  private var mentioned: CSVPictures?

  private struct Row {
    var span: RowFile.Span
    var number: Int32
    var hash: UInt64
    var part: DatasetRecord.Part.Name
  }

  init(_ settings: CSVFile, _ request: DatasetRequest, _ file: RowFile) {
    (self.settings, self.request, self.file) = (settings, request, file)
    let known = request.record?.inputs.flatMap(\.normalization) ?? []
    knownNormalization = known
    // A network brings its own means and deviations.
    features = CSVFeatureScan(
      isNormalized: settings.isNormalized, fits: settings.isNormalized && known.isEmpty)
  }

  /// The columns that the network was trained with, in the order of its inputs.
  private var knownColumns: [DatasetRecord.FeatureColumn]? {
    request.record.flatMap { record in record.inputs.first { !$0.features.isEmpty }?.featureColumns }
  }

  mutating func add(_ row: CSVRow, _ span: RowFile.Span, line: Int) throws(CSVRow.Problem) {
    guard let columns else {
      try begin(with: row)
      if !settings.hasHeader { try add(row, span, line: line) }
      return
    }
    guard rows.count < Int32.max else { throw CSVRow.Problem(message: "there are more than 2³¹ rows", column: 1) }
    let hash = SplitHash.of(UInt64(rows.count))
    let part = request.part(of: hash, testSplit: settings.testSplit)
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
        try features.add(field, to: feature, line: line, isTraining: part == .train)
      case .tokens(let place): try tokens[place].add(field, isTraining: part == .train)
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
    let readings = try readings(columns)
    try placeTokens(readings, in: &columns)
    let others: [CSVFile.Reading?] = [.ignored, .tokens, .text]
    let places = names.indices.filter { columns[$0] == .ignored && !others.contains(readings[$0]) }
    guard !learnt.isEmpty, learnt.allSatisfy({ $0.columns.count == 1 || $0.targets == .values && !$0.columns.isEmpty }),
      mentioned != nil || !tokens.isEmpty || !places.isEmpty
    else {
      throw CSVRow.Problem(
        message: "\(count) columns with the label \(settings.labels.joined(separator: ", ")): there must be one label "
          + "(or several, where targets are values) and a feature", column: 1)
    }
    try placeFeatures(places, readings, in: &columns)
    self.columns = columns
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
    let known = settings.hasHeader ? request.record?.inputs.first { $0.tokens == nil && $0.column != nil }?.column : nil
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

  /// What the configuration says of columns by their places; what is ignored a later file need not have.
  private func readings(_ columns: [CSVColumn]) throws(CSVRow.Problem) -> [Int: CSVFile.Reading] {
    var readings: [Int: CSVFile.Reading] = [:]
    for (column, reading) in settings.columns.sorted(by: { $0.key < $1.key }) {
      // In another file there may stand another column at that place.
      let found = request.record == nil ? place(of: column) : names.firstIndex(of: column)
      guard let place = found else {
        guard request.record == nil else { continue }
        throw CSVRow.Problem(
          message: "there is no column \(column), which is to be \(reading.word); \(columnWords)", column: 1)
      }
      guard columns[place] == .ignored else {
        throw CSVRow.Problem(
          message: "the column \(column) cannot be \(reading.word): it is learnt, or names the pictures", column: 1)
      }
      guard readings.updateValue(reading, forKey: place) ?? reading == reading else {
        throw CSVRow.Problem(message: "data.columns says two things of the column \(names[place])", column: 1)
      }
    }
    return readings
  }

  /// The network's columns of tokens and texts or, before there is one, the configuration's.
  private mutating func placeTokens(
    _ readings: [Int: CSVFile.Reading], in columns: inout [CSVColumn]
  ) throws(CSVRow.Problem) {
    guard let record = request.record else {
      for index in names.indices where readings[index] == .tokens || readings[index] == .text {
        columns[index] = .tokens(tokens.count)
        let texts = readings[index] == .text ? CSVTextScan(settings.vocabulary) : nil
        tokens.append(CSVTokenScan(names[index], length: settings.sequenceLength, texts))
      }
      return try checkTokenNames()
    }
    for input in record.inputs where input.tokens != nil {
      let reading: CSVFile.Reading = input.vocabulary == nil ? .tokens : .text
      guard let index = names.firstIndex(of: input.name), columns[index] == .ignored,
        readings[index] ?? reading == reading
      else {
        throw CSVRow.Problem(
          message:
            "there is no column \(input.name) of \(reading.word), which the network was trained with; \(columnWords)",
          column: 1)
      }
      if let length = settings.sequenceLength, [length] != input.shape {
        throw CSVRow.Problem(
          message: "the network was trained with sequences \(input.shape) of the column \(input.name), and "
            + "data.sequence_length says \(length)", column: 1)
      }
      columns[index] = .tokens(tokens.count)
      let texts = input.vocabulary.map { CSVTextScan(known: $0, settings.vocabulary) }
      tokens.append(CSVTokenScan(input.name, length: input.shape[0], texts))
    }
  }

  /// Whether fields can be called as the columns of tokens are.
  private func checkTokenNames() throws(CSVRow.Problem) {
    var taken = Set([Field.images, Field.table, Field.sampleWeight] + learnt.map(\.name))
    for name in tokens.flatMap({ [$0.name, Field.lengths(of: $0.name)] }) {
      guard CSVFile.isName(name), taken.insert(name).inserted else {
        throw CSVRow.Problem(
          message:
            "a column of tokens or text becomes the fields NAME and NAME_lengths: none can be called \"\(name)\", with "
            + "blanks or as another field; rename the column", column: 1)
      }
    }
  }

  private mutating func placeFeatures(
    _ places: [Int], _ readings: [Int: CSVFile.Reading], in columns: inout [CSVColumn]
  ) throws(CSVRow.Problem) {
    guard let known = knownColumns else {
      for index in places {
        columns[index] = .feature(features.count)
        append(names[index], readings[index])
      }
      return
    }
    guard settings.hasHeader else {
      guard places.count == known.count else {
        throw CSVRow.Problem(
          message: "there are \(places.count) features, and the network was trained with \(known.count)", column: 1)
      }
      for (index, column) in zip(places, known) {
        columns[index] = .feature(features.count)
        try append(column, readings[index])
      }
      return
    }
    // The network's inputs, wherever they stand in this file.
    let missing = known.map(\.name).filter { name in !places.contains { names[$0] == name } }
    guard missing.isEmpty else {
      throw CSVRow.Problem(
        message: "there is no column \(missing.joined(separator: ", ")), which the network was trained with",
        column: 1)
    }
    for column in known {
      guard let index = places.first(where: { names[$0] == column.name && columns[$0] == .ignored }) else {
        throw CSVRow.Problem(
          message: "there are fewer columns \(column.name) than the network was trained with", column: 1)
      }
      columns[index] = .feature(features.count)
      try append(column, readings[index])
    }
    ignored = places.filter { columns[$0] == .ignored }.map { names[$0] }
  }

  private mutating func append(_ name: String, _ reading: CSVFile.Reading?) {
    guard let (encoding, words) = reading?.words else {
      features.append(numbers: name)
      return
    }
    guard !words.isEmpty else {
      features.append(name, words: encoding)
      return
    }
    // The place among the features is known when all columns are.
    let column = DatasetRecord.WordColumn(name, encoding, feature: 0, words: words)
    features.append(name, known: CSVWords(column, .settings))
  }

  /// A column as the network was trained with it.
  private mutating func append(
    _ column: DatasetRecord.FeatureColumn, _ reading: CSVFile.Reading?
  ) throws(CSVRow.Problem) {
    if let reading, !reading.fits(column.words) {
      let words = column.words.map { "\($0.encoding.rawValue) (\($0.wordsInOrder))" } ?? "numbers"
      throw CSVRow.Problem(
        message:
          "the network was trained with the column \(column.name) as \(words), and data.columns says something else",
        column: 1)
    }
    if let words = column.words {
      features.append(column.name, known: CSVWords(words))
    } else {
      features.append(numbers: column.name)
    }
  }

  /// Whether the fields are those that the network was trained with.
  private mutating func checkInputs() throws(CSVRow.Problem) {
    guard let record = request.record else { return }
    // A network that was trained on pictures or tokens alone reads no other columns.
    if mentioned != nil || !tokens.isEmpty, record.inputs.allSatisfy({ $0.column != nil || $0.channels != nil }),
      features.count > 0
    {
      ignored = names.indices.filter { if case .feature = columns?[$0] { true } else { false } }.map { names[$0] }
      for index in names.indices { if case .feature = columns?[index] { columns?[index] = .ignored } }
      features.removeAll()
    }
    func words(_ inputs: [DatasetRecord.Input]) -> String {
      inputs.map { "\($0.name) \($0.shape)" }.joined(separator: " and ")
    }
    let inputs = inputs(normalization: [])
    guard inputs.map(\.name) != record.inputs.map(\.name) || inputs.map(\.shape) != record.inputs.map(\.shape) else {
      return
    }
    throw CSVRow.Problem(
      message: mentioned == nil && tokens.isEmpty && record.inputs.count == 1
        ? "there are \(inputs.first?.shape.first ?? 0) features, and the network was trained with samples \(record.sampleShape)"
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
    let columns = features.found
    if !columns.isEmpty {
      let words = columns.compactMap(\.words)
      let names = columns.flatMap { $0.words?.featureNames ?? [$0.name] }
      var input = DatasetRecord.Input(
        mentioned == nil && tokens.isEmpty ? Field.images : Field.table, [names.count], features: names,
        normalization: normalization)
      if !words.isEmpty { input.words = words }
      inputs.append(input)
    }
    return inputs + tokens.map(\.input)
  }

  /// What samples are, and of each target of classes the network's numbers of those found here.
  private func table() throws(DatasetError) -> (inputs: [DatasetRecord.Input], table: CSVTable, maps: [ClassMap]) {
    guard let columns, !rows.isEmpty else { throw DatasetError(.corrupt, "\(settings.path) has no rows of data") }
    try features.check(settings.path)
    for tokens in tokens { try tokens.check(settings.path) }
    let normalization =
      !settings.isNormalized ? [] : knownNormalization.isEmpty ? features.normalization : knownNormalization
    if let index = normalization.firstIndex(where: { !$0.mean.isFinite || !$0.deviation.isFinite }) {
      let name = features.found.last { $0.feature <= index }?.name ?? ""
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
    var notes = tokens.compactMap(\.note)
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

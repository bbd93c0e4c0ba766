/// How rows of a CSV file become samples.
final class CSVTable: Sendable {
  let file: RowFile
  let delimiter: UInt8
  let columns: [CSVColumn]
  /// Those that a network may read, then the targets.
  let fields: [Field]
  let targets: [DatasetLayout.Target]
  /// Of a field's number among `fields`; nil: there is none.
  let pictureField: Int?
  let featureField: Int?
  /// Of each column of tokens or texts, the same of these and of their lengths.
  let tokenFields: [(tokens: Int, lengths: Int)]
  /// The words of those of texts.
  let vocabularies: [VocabularyIndex?]
  /// The name of the pictures' column, and how they get their size.
  let pictureColumn: String
  let fit: Image.Fit
  /// The columns that features are made of, in their order.
  let featureColumns: [FeatureColumn]
  /// One a feature; empty where features are the numbers as they are.
  let normalization: [DatasetRecord.Normalization]
  /// Of each target, which of a row's class numbers is its own; nil where it holds numbers.
  let classPlaces: [Int?]

  struct FeatureColumn: Sendable {
    /// The place of its first feature, and how many there are.
    let feature: Int
    let count: Int
    /// Nil: it holds numbers.
    let words: CSVWords?

    init(_ column: DatasetRecord.FeatureColumn) {
      (feature, count, words) = (column.feature, column.featureCount, column.words.map { CSVWords($0) })
    }
  }

  init(
    file: RowFile, delimiter: UInt8, columns: [CSVColumn], inputs: [DatasetRecord.Input],
    targets: [DatasetLayout.Target]
  ) {
    (self.file, self.delimiter, self.columns, self.targets) = (file, delimiter, columns, targets)
    let read = inputs.map(\.field)
    let lengths = read.compactMap(\.lengths).map { Field($0, .int32) }
    fields = read + lengths + targets.map { .target($0.name, $0.targets) }
    pictureField = inputs.firstIndex { $0.column != nil && $0.tokens == nil }
    featureField = inputs.firstIndex { $0.column == nil }
    pictureColumn = pictureField.flatMap { inputs[$0].column } ?? ""
    let tokens = inputs.indices.filter { inputs[$0].tokens != nil }
    tokenFields = tokens.enumerated().map { (tokens: $1, lengths: inputs.count + $0) }
    vocabularies = tokens.map { inputs[$0].vocabulary.map { VocabularyIndex($0) } }
    featureColumns = inputs.flatMap { $0.featureColumns.map(FeatureColumn.init) }
    fit = inputs.compactMap(\.fit).first ?? .stretch
    normalization = inputs.flatMap(\.normalization)
    var places: [Int?] = []
    for target in targets {
      places.append(target.targets == .classes ? places.count { $0 != nil } : nil)
    }
    classPlaces = places
  }

  /// How many class numbers a row has.
  var classCount: Int { classPlaces.count { $0 != nil } }
  /// The first target's number among `fields`.
  var firstTarget: Int { fields.count - targets.count }

  /// Writes a cell's features, as the network takes them, to those of a row.
  func write(
    _ field: CSVRow.Field, of column: Int, to features: UnsafeMutableBufferPointer<Float>
  ) throws(CSVRow.Problem) {
    let column = featureColumns[column]
    guard let words = column.words else {
      features[column.feature] =
        normalization.isEmpty
        ? try field.number : try normalized(try field.double, column.feature, field)
      return
    }
    let word = try words.number(of: field)
    for place in 0..<column.count {
      features[column.feature + place] = try normalized(
        words.column.number(ofWord: word, at: place), column.feature + place, field)
    }
  }

  /// Writes a cell's tokens, or those of its words, padded with 0, and how many of them are kept.
  func write(
    _ field: CSVRow.Field, ofTokens column: Int, to batch: BatchMemory, row: Int
  ) throws(CSVRow.Problem) {
    let (place, lengths) = tokenFields[column]
    let tokens = batch[place, row].bindMemory(to: Int32.self)
    func put(_ position: Int, _ token: Int32) { if position < tokens.count { tokens[position] = token } }
    let count: Int
    if let vocabulary = vocabularies[column] {
      count = vocabulary.forEachToken(in: field, put)
    } else {
      count = try CSVTokens.forEach(in: field, of: fields[place].name, put)
    }
    let kept = min(count, tokens.count)
    for position in kept..<tokens.count { tokens[position] = 0 }
    batch[lengths, row].storeBytes(of: Int32(kept), as: Int32.self)
  }

  /// Large numbers that differ by little keep their difference, since it is taken before they become Float32.
  private func normalized(
    _ number: Double, _ feature: Int, _ field: CSVRow.Field
  ) throws(CSVRow.Problem) -> Float {
    guard !normalization.isEmpty else { return Float(number) }
    let value = Float(normalization[feature](number))
    guard value.isFinite else {
      throw CSVRow.Problem(
        message: "the number is too far from the mean \(normalization[feature].mean) of the training samples",
        column: field.column)
    }
    return value
  }
}

/// Rows of a CSV file, each read and parsed when it is asked for, and its picture decoded.
struct CSVRows: Dataset {
  let table: CSVTable
  let spans: [RowFile.Span]
  /// Of one row after the other those of its classes; numbers are parsed with the row.
  let classNumbers: [Int32]

  var count: Int { spans.count }
  var fields: [Field] { table.fields }
  var targetFields: [DatasetLayout.Target] { table.targets }
  var classNames: [String] { table.targets.first { $0.name == Field.labels }?.classNames ?? [] }
  var labels: [Int32] { classes(of: Field.labels) }

  func classes(of target: String) -> [Int32] {
    guard let index = table.targets.firstIndex(where: { $0.name == target }), let place = table.classPlaces[index]
    else { return [] }
    let step = table.classCount
    return step == 1 ? classNumbers : spans.indices.map { classNumbers[$0 * step + place] }
  }

  func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    let table = table
    let features = table.featureField.map { batch[$0, row].bindMemory(to: Float.self) }
    let first = table.firstTarget
    var picture: (path: String, position: Int)?
    try table.file.withRow(spans[index]) { bytes throws(DatasetError) in
      do throws(CSVRow.Problem) {
        let csv = CSVRow(bytes: bytes, delimiter: table.delimiter)
        let count = try csv.forEachField { (column, field) throws(CSVRow.Problem) in
          guard column < table.columns.count else { return }
          switch table.columns[column] {
          case .feature(let feature):
            if let features { try table.write(field, of: feature, to: features) }
          case .tokens(let place): try table.write(field, ofTokens: place, to: batch, row: row)
          case .picture:
            picture = (try CSVPictures.path(of: field, table: table.file.path), field.column)
          case .label(let target, let element):
            guard table.classPlaces[target] == nil else { return }
            batch[first + target, row].storeBytes(of: try field.number, toByteOffset: 4 * element, as: Float.self)
          case .ignored: break
          }
        }
        guard count == table.columns.count else { throw CSVRow.Problem(message: "\(count) fields", column: 1) }
      } catch {
        throw DatasetError(
          .corrupt,
          "\(table.file.path) cannot be read as when it was opened: \(error.message), in the row at byte "
            + "\(spans[index].offset)")
      }
    }
    for (target, place) in table.classPlaces.enumerated() {
      guard let place else { continue }
      batch[first + target, row].storeBytes(of: classNumbers[index * table.classCount + place], as: Int32.self)
    }
    if let picture, let field = table.pictureField { try read(picture, of: index, to: batch[field, row], as: field) }
  }

  private func read(
    _ picture: (path: String, position: Int), of index: Int, to sample: UnsafeMutableRawBufferPointer, as field: Int
  ) throws(DatasetError) {
    let image: Image
    do throws(DatasetError) {
      image = try Image(path: picture.path)
    } catch {
      let line = table.file.line(at: spans[index].offset)
      let place = CSVPictures.place(
        table.file.path, line: line, position: picture.position, column: table.pictureColumn)
      throw DatasetError(.corrupt, place + error.message)
    }
    image.write(to: sample, as: fields[field], fit: table.fit)
  }
}

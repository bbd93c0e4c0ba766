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
  /// The name of the pictures' column, and how they get their size.
  let pictureColumn: String
  let fit: Image.Fit
  /// One a feature; empty where features are the numbers as they are.
  let normalization: [DatasetRecord.Normalization]
  /// Of each target, which of a row's class numbers is its own; nil where it holds numbers.
  let classPlaces: [Int?]

  init(
    file: RowFile, delimiter: UInt8, columns: [CSVColumn], inputs: [DatasetRecord.Input],
    targets: [DatasetLayout.Target]
  ) {
    (self.file, self.delimiter, self.columns, self.targets) = (file, delimiter, columns, targets)
    fields = inputs.map(\.field) + targets.map { .target($0.name, $0.targets) }
    pictureField = inputs.firstIndex { $0.column != nil }
    featureField = inputs.firstIndex { $0.column == nil }
    pictureColumn = inputs.compactMap(\.column).first ?? ""
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

  /// A feature's number as the network takes it. Large numbers that differ by little keep their difference, since it is
  /// taken before they become Float32.
  func value(of field: CSVRow.Field, feature: Int) throws(CSVRow.Problem) -> Float {
    guard !normalization.isEmpty else { return try field.number }
    let value = Float(normalization[feature](try field.double))
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
            features?[feature] = try table.value(of: field, feature: feature)
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

/// How rows of a CSV file become samples.
final class CSVTable: Sendable {
  let file: RowFile
  let delimiter: UInt8
  let columns: [CSVColumn]
  let fields: [Field]
  let classNames: [String]
  let targets: DatasetTargets
  /// One a feature; empty where features are the numbers as they are.
  let normalization: [DatasetRecord.Normalization]

  init(
    file: RowFile, delimiter: UInt8, columns: [CSVColumn], featureCount: Int, classNames: [String],
    targets: DatasetTargets, normalization: [DatasetRecord.Normalization]
  ) {
    (self.file, self.delimiter, self.columns) = (file, delimiter, columns)
    fields = [Field(Field.images, .float32, [featureCount]), .labels(targets)]
    (self.classNames, self.targets, self.normalization) = (classNames, targets, normalization)
  }

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

/// Rows of a CSV file, each read and parsed when it is asked for.
struct CSVRows: Dataset {
  let table: CSVTable
  let spans: [RowFile.Span]
  /// One a row; empty where targets are numbers, which are parsed with the row.
  let labels: [Int32]

  var count: Int { spans.count }
  var fields: [Field] { table.fields }
  var classNames: [String] { table.classNames }

  func read(_ index: Int, row: Int, into batch: BatchMemory) throws(DatasetError) {
    let table = table
    let (sample, target) = (batch[0, row].bindMemory(to: Float.self), batch[1, row])
    try table.file.withRow(spans[index]) { bytes throws(DatasetError) in
      do throws(CSVRow.Problem) {
        let row = CSVRow(bytes: bytes, delimiter: table.delimiter)
        let count = try row.forEachField { (column, field) throws(CSVRow.Problem) in
          guard column < table.columns.count else { return }
          switch table.columns[column] {
          case .feature(let feature):
            sample[feature] = try table.value(of: field, feature: feature)
          case .label(let label):
            guard table.targets != .classes else { return }
            target.storeBytes(of: try field.number, toByteOffset: 4 * label, as: Float.self)
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
    if table.targets == .classes { target.storeBytes(of: labels[index], as: Int32.self) }
  }
}

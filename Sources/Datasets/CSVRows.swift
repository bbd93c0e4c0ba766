/// How rows of a CSV file become samples.
final class CSVTable: Sendable {
  let file: RowFile
  let delimiter: UInt8
  let columns: [CSVColumn]
  let featureCount: Int
  let classNames: [String]
  let targets: DatasetTargets
  /// A feature is (number − shift) · scale.
  let shifts: [Float]
  let scales: [Float]

  init(
    file: RowFile, delimiter: UInt8, columns: [CSVColumn], featureCount: Int, classNames: [String],
    targets: DatasetTargets, shifts: [Float], scales: [Float]
  ) {
    (self.file, self.delimiter, self.columns, self.featureCount) = (file, delimiter, columns, featureCount)
    (self.classNames, self.targets, self.shifts, self.scales) = (classNames, targets, shifts, scales)
  }
}

/// Rows of a CSV file, each read and parsed when it is asked for.
struct CSVRows: Dataset {
  let table: CSVTable
  let spans: [RowFile.Span]
  /// One a row; empty where targets are numbers, which are parsed with the row.
  let labels: [Int32]

  var count: Int { spans.count }
  var sampleShape: [Int] { [table.featureCount] }
  var classNames: [String] { table.classNames }
  var targets: DatasetTargets { table.targets }

  func read(
    _ index: Int, sample: UnsafeMutablePointer<Float>, target: UnsafeMutableRawPointer
  ) throws(DatasetError) {
    let table = table
    try table.file.withRow(spans[index]) { bytes throws(DatasetError) in
      do throws(CSVRow.Problem) {
        let row = CSVRow(bytes: bytes, delimiter: table.delimiter)
        let count = try row.forEachField { (column, field) throws(CSVRow.Problem) in
          guard column < table.columns.count else { return }
          switch table.columns[column] {
          case .feature(let feature):
            sample[feature] = (try field.number - table.shifts[feature]) * table.scales[feature]
          case .label(let label):
            guard table.targets != .classes else { return }
            target.storeBytes(of: try field.number, toByteOffset: 4 * label, as: Float.self)
          }
        }
        guard count == table.columns.count else { throw CSVRow.Problem(message: "\(count) fields", column: 1) }
      } catch {
        throw DatasetError(
          .corrupt,
          "\(table.file.path) has changed since it was opened: \(error.message) at byte \(spans[index].offset)")
      }
    }
    if table.targets == .classes { target.storeBytes(of: labels[index], as: Int32.self) }
  }
}

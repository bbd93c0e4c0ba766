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
  public func open(_ request: DatasetRequest = DatasetRequest()) throws(DatasetError) -> DatasetParts {
    let file = try RowFile(path)
    var scan = CSVScan(self, request)
    try file.forEachRow { (bytes, span, line) throws(DatasetError) in
      let row = CSVRow(bytes: bytes, delimiter: delimiter)
      do throws(CSVRow.Problem) {
        try scan.add(row, span)
      } catch {
        // A row that is too short or too long has its fields in the wrong columns: that they cannot be read is no wonder.
        throw (scan.lengthProblem(of: row) ?? error).error(in: path, line: line)
      }
    }
    return try scan.parts(of: file).counted(request, testSplit: testSplit)
  }
}

/// What a column is for.
enum CSVColumn: Hashable, Sendable {
  case feature(Int)
  case label(Int)
  /// The network was trained without it.
  case ignored
}

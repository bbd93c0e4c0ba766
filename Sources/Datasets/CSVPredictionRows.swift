/// Rows of a table that are not learnt but predicted: the features that a network was trained on, found by the names of
/// their columns, or in a file without a first row of names by their places.
public struct CSVPredictionRows {
  /// A file; `-`: standard input.
  public var path: String
  /// The features' columns in the order of the network's inputs: names, or indices from 0 where no row names them.
  public var features: [String]
  /// The columns that were learnt, which rows may have or not.
  public var labels: [String]
  public var hasHeader: Bool
  public var delimiter: UInt8

  public init(
    path: String, features: [String], labels: [String], hasHeader: Bool = true, delimiter: UInt8 = UInt8(ascii: ",")
  ) {
    (self.path, self.features, self.labels) = (path, features, labels)
    (self.hasHeader, self.delimiter) = (hasHeader, delimiter)
  }

  /// A row, or why it is none: with its number among the rows of data, from 1.
  public struct Row: Sendable {
    public var number: Int
    public var values: Result<[Double], DatasetError>
  }

  /// Calls `body` with every row, in order. `ignored` hears once of the columns that are neither features nor labels.
  /// Throws where the file cannot be read, its columns are not those of the network, or `body` throws; a row that is
  /// broken is a row with an error.
  public func forEach(ignored: ([String]) -> Void, _ body: (Row) throws -> Void) throws {
    let file = path == "-" ? try RowFile.standardInput() : try RowFile(path, mayBePipe: true)
    var columns: Columns?
    var number = 0
    var failure: (any Error)?
    do throws(DatasetError) {
      try file.forEachRow { (bytes, _, line) throws(DatasetError) in
        let row = CSVRow(bytes: bytes, delimiter: delimiter)
        if columns == nil {
          do throws(CSVRow.Problem) {
            let found = try self.columns(of: row)
            if !found.ignored.isEmpty { ignored(found.ignored) }
            columns = found
          } catch {
            throw error.error(in: file.path, line: line)
          }
          if hasHeader { return }
        }
        guard let columns else { return }
        number += 1
        var values: Result<[Double], DatasetError>
        do throws(CSVRow.Problem) { values = .success(try columns.values(of: row)) } catch {
          values = .failure(error.error(in: file.path, line: line))
        }
        do { try body(Row(number: number, values: values)) } catch {
          failure = error
          // Ends the reading; the caller's own error is what is thrown.
          throw DatasetError(.invalid, "")
        }
      }
    } catch {
      throw failure ?? error
    }
    guard columns != nil else { throw DatasetError(.corrupt, "\(file.path) has no rows") }
  }

  /// Where the features are.
  private struct Columns {
    /// For each column its feature; nil: it is none.
    var features: [Int?]
    var count: Int
    var ignored: [String] = []

    func values(of row: CSVRow) throws(CSVRow.Problem) -> [Double] {
      var values = [Double](repeating: 0, count: count)
      let found = try row.forEachField { (index, field) throws(CSVRow.Problem) in
        if index < features.count, let feature = features[index] { values[feature] = try field.double }
      }
      guard found == features.count else {
        throw CSVRow.Problem.length(found, first: features.count)
      }
      return values
    }
  }

  private func columns(of first: CSVRow) throws(CSVRow.Problem) -> Columns {
    var names: [String] = []
    let count = try first.forEachField { (_, field) throws(CSVRow.Problem) in
      names.append(hasHeader ? try field.text : "")
    }
    return hasHeader ? try columns(named: names) : try columns(count: count)
  }

  private func columns(named names: [String]) throws(CSVRow.Problem) -> Columns {
    var columns = Columns(features: [Int?](repeating: nil, count: names.count), count: features.count)
    // A feature may be called as a column that is learnt, of which the first stands for the label, as in training. Rows
    // without it have one such column less.
    var learnt: Set<Int> = []
    for label in labels {
      let places = names.indices.filter { names[$0] == label && !learnt.contains($0) }
      if places.count > features.count(where: { $0 == label }), let first = places.first { learnt.insert(first) }
    }
    var missing: [String] = []
    for (feature, name) in features.enumerated() {
      // A name that stands twice is two columns, in their order.
      if let place = names.indices.first(where: {
        names[$0] == name && columns.features[$0] == nil && !learnt.contains($0)
      }) {
        columns.features[place] = feature
      } else {
        missing.append(name)
      }
    }
    guard missing.isEmpty else {
      throw CSVRow.Problem(
        message: "there is no column \(missing.prefix(10).joined(separator: ", ")), which the network was trained on; "
          + "columns are \(names.prefix(20).joined(separator: ", "))\(names.count > 20 ? ", …" : "")", column: 1)
    }
    columns.ignored = names.indices.filter { index in
      columns.features[index] == nil && !labels.contains(names[index]) && !labels.contains("\(index)")
    }.map { names[$0] }
    return columns
  }

  private func columns(count: Int) throws(CSVRow.Problem) -> Columns {
    if count == features.count { return Columns(features: features.indices.map { $0 }, count: count) }
    let places = features.compactMap { Int($0) }
    guard count == features.count + labels.count, places.count == features.count,
      places.allSatisfy({ (0..<count).contains($0) })
    else {
      throw CSVRow.Problem(
        message: "the row has \(count) fields, and the network was trained on \(features.count) columns and "
          + "\(labels.count) to be learnt", column: 1)
    }
    var columns = Columns(features: [Int?](repeating: nil, count: count), count: features.count)
    for (feature, place) in places.enumerated() { columns.features[place] = feature }
    return columns
  }
}

/// Rows of a table that are not learnt but predicted: the features and pictures that a network was trained on, found by the
/// names of their columns, or in a file without a first row of names by their places.
public struct CSVPredictionRows {
  /// A file; `-`: standard input.
  public var path: String
  /// The features' columns in the order of the network's inputs: names, or indices from 0 where no row names them.
  public var features: [String]
  /// The columns of words among the features.
  public var words: [DatasetRecord.WordColumn]
  /// The columns that name pictures, as the features.
  public var pictures: [String]
  /// The columns of tokens and texts, as the features.
  public var tokens: [String] = []
  /// The words of those of texts, by their columns.
  public var vocabularies: [String: DatasetRecord.Vocabulary] = [:]
  /// The columns that were learnt, which rows may have or not.
  public var labels: [String]
  public var hasHeader: Bool
  public var delimiter: UInt8
  /// How many columns the table has that was learnt, with those that are not read; nil: no more than are named here. Rows
  /// without names have as many, or as many but for the labels.
  public var width: Int?
  /// What is said of a column that is missing, among those that stand there: which of them is meant.
  public var hint: @Sendable (_ missing: String, _ found: [String]) -> String = { _, _ in "" }

  public init(
    path: String, features: [String], words: [DatasetRecord.WordColumn] = [], pictures: [String] = [],
    labels: [String], hasHeader: Bool = true, delimiter: UInt8 = UInt8(ascii: ","), width: Int? = nil
  ) {
    (self.path, self.features, self.words, self.pictures) = (path, features, words, pictures)
    self.labels = labels
    (self.hasHeader, self.delimiter, self.width) = (hasHeader, delimiter, width)
  }

  private var featureColumns: [DatasetRecord.FeatureColumn] { DatasetRecord.columns(of: features, words) }

  /// The columns of features, then of pictures, then of tokens.
  private var wanted: [String] { featureColumns.map(\.name) + pictures + tokens }

  /// A row, or why it is none: with its number among the rows of data, from 1.
  public struct Row: Sendable {
    public var number: Int
    public var contents: Result<Contents, DatasetError>
  }

  public struct Contents: Hashable, Sendable {
    /// The features' numbers; those of words as the network counts them.
    public var values: [Double]
    /// The paths of the pictures, relative to the table's folder where they are not absolute.
    public var pictures: [String]
    /// Of each column of tokens all that stand there; of texts those of their words.
    public var tokens: [[Int32]] = []
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
        var contents: Result<Contents, DatasetError>
        do throws(CSVRow.Problem) { contents = .success(try columns.contents(of: row)) } catch {
          contents = .failure(error.error(in: file.path, line: line))
        }
        do { try body(Row(number: number, contents: contents)) } catch {
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

  /// Where the features and pictures are.
  private struct Columns {
    /// For each column its place among `wanted`; nil: it is none.
    var wanted: [Int?]
    var features: [CSVTable.FeatureColumn]
    var pictureCount: Int
    var tokens: [String]
    /// Of each of these; nil: it holds tokens.
    var vocabularies: [VocabularyIndex?]
    /// The table's file.
    var table: String
    var ignored: [String] = []

    func contents(of row: CSVRow) throws(CSVRow.Problem) -> Contents {
      var contents = Contents(
        values: [Double](repeating: 0, count: features.map { $0.feature + $0.count }.max() ?? 0),
        pictures: [String](repeating: "", count: pictureCount),
        tokens: [[Int32]](repeating: [], count: tokens.count))
      let found = try row.forEachField { (index, field) throws(CSVRow.Problem) in
        guard index < wanted.count, let place = wanted[index] else { return }
        guard place < features.count else {
          if place < features.count + pictureCount {
            contents.pictures[place - features.count] = try CSVPictures.path(of: field, table: table)
          } else {
            try append(field, ofTokens: place - features.count - pictureCount, to: &contents)
          }
          return
        }
        let column = features[place]
        guard let words = column.words else {
          contents.values[column.feature] = try field.double
          return
        }
        let word = try words.number(of: field)
        for number in 0..<column.count {
          contents.values[column.feature + number] = words.column.number(ofWord: word, at: number)
        }
      }
      guard found == wanted.count else {
        throw CSVRow.Problem.length(found, first: wanted.count)
      }
      return contents
    }

    private func append(
      _ field: CSVRow.Field, ofTokens column: Int, to contents: inout Contents
    ) throws(CSVRow.Problem) {
      var found: [Int32] = []
      if let vocabulary = vocabularies[column] {
        let count = vocabulary.forEachToken(in: field) { found.append($1) }
        guard count > 0 else {
          throw CSVRow.Problem(message: "the text is missing (column \(tokens[column]))", column: field.column)
        }
      } else {
        _ = try CSVTokens.forEach(in: field, of: tokens[column]) { found.append($1) }
      }
      contents.tokens[column] = found
    }
  }

  private func columns(_ wanted: [Int?]) -> Columns {
    Columns(
      wanted: wanted, features: featureColumns.map(CSVTable.FeatureColumn.init), pictureCount: pictures.count,
      tokens: tokens, vocabularies: tokens.map { vocabularies[$0].map { VocabularyIndex($0) } }, table: path)
  }

  private func columns(of first: CSVRow) throws(CSVRow.Problem) -> Columns {
    var names: [String] = []
    let count = try first.forEachField { (_, field) throws(CSVRow.Problem) in
      names.append(hasHeader ? try field.text : "")
    }
    return hasHeader ? try columns(named: names) : try columns(count: count)
  }

  private func columns(named names: [String]) throws(CSVRow.Problem) -> Columns {
    let wanted = wanted
    var places = [Int?](repeating: nil, count: names.count)
    // A feature may be called as a column that is learnt, of which the first stands for the label, as in training. Rows
    // without it have one such column less.
    var learnt: Set<Int> = []
    for label in labels {
      let found = names.indices.filter { names[$0] == label && !learnt.contains($0) }
      if found.count > wanted.count(where: { $0 == label }), let first = found.first { learnt.insert(first) }
    }
    var missing: [String] = []
    for (index, name) in wanted.enumerated() {
      // A name that stands twice is two columns, in their order.
      if let place = names.indices.first(where: { names[$0] == name && places[$0] == nil && !learnt.contains($0) }) {
        places[place] = index
      } else {
        missing.append(name)
      }
    }
    guard missing.isEmpty else {
      let others = names.indices.filter { places[$0] == nil }.map { names[$0] }
      throw CSVRow.Problem(
        message: "there is no column \(missing.prefix(10).joined(separator: ", ")), which the network was trained on"
          + "\(hint(missing[0], others)); columns are \(names.prefix(20).joined(separator: ", "))\(names.count > 20 ? ", …" : "")",
        column: 1)
    }
    var columns = columns(places)
    columns.ignored = names.indices.filter { index in
      places[index] == nil && !labels.contains(names[index]) && !labels.contains("\(index)")
    }.map { names[$0] }
    return columns
  }

  private func columns(count: Int) throws(CSVRow.Problem) -> Columns {
    let wanted = wanted
    let width = width ?? wanted.count + labels.count
    let (places, learnt) = (wanted.compactMap { Int($0) }, labels.compactMap { Int($0) })
    let isWhole = count == width
    guard isWhole || count == width - labels.count, places.count == wanted.count, learnt.count == labels.count,
      Set(places + learnt).count == places.count + learnt.count,
      (places + learnt).allSatisfy({ $0 >= 0 && $0 < width })
    else {
      throw CSVRow.Problem(
        message: "the row has \(count) fields, and the network was trained on rows of \(width), \(labels.count) of "
          + "them to be learnt", column: 1)
    }
    var found = [Int?](repeating: nil, count: count)
    for (index, place) in places.enumerated() {
      // Without the columns that were learnt the others keep their order.
      found[isWhole ? place : place - learnt.count { $0 < place }] = index
    }
    return columns(found)
  }
}

/// A table in a text file: columns are what is to be learnt, one may name pictures, all others are features, numbers `[k]`.
public struct CSVFile: Hashable, Sendable {
  /// What label columns hold.
  public enum LabelKind: Hashable, Sendable {
    /// The label column holds words or numbers, each a class; classes count in the order of their names.
    case classes
    /// The label columns hold numbers.
    case values
  }

  /// What is to be learnt, in a field of its own.
  public struct Target: Hashable, Sendable {
    /// Of the field.
    public var name: String
    /// By name, or by index from 0: one of classes, one or several of values.
    public var columns: [String]
    public var targets: LabelKind

    /// A field that is called as its column.
    public init(_ column: String, _ targets: LabelKind) { self.init(column, columns: [column], targets) }

    public init(_ name: String, columns: [String], _ targets: LabelKind) {
      (self.name, self.columns, self.targets) = (name, columns, targets)
    }
  }

  /// A column with the paths of pictures, relative to the table's folder: the field `images` u8 `[height, width,
  /// channels]`. The features are then the field `table`.
  public struct Pictures: Hashable, Sendable {
    /// By name, or by index from 0.
    public var column: String
    /// Every picture is resized to it.
    public var height: Int
    public var width: Int
    /// 1: gray, 3: red, green, blue.
    public var channels: Int
    /// How pictures of another shape get that size.
    public var fit: Image.Fit
    /// How far opening looks whether the pictures can be read.
    public var check: ImageCheck.Extent

    public init(
      column: String, height: Int, width: Int, channels: Int, fit: Image.Fit = .stretch,
      check: ImageCheck.Extent = .quick
    ) {
      (self.column, self.height, self.width) = (column, height, width)
      (self.channels, self.fit, self.check) = (channels, fit, check)
    }
  }

  /// What a column is that is neither learnt nor names pictures, and is not a number.
  public enum Reading: Hashable, Sendable {
    case ignored
    /// Words: a feature for each, called `colour=red`, 1 where it stands and else 0. Without a list the words are those of
    /// the training rows, sorted by their bytes; a word that is not among them is an error.
    case oneHot([String] = [])
    /// Words: one feature, the word's number in their order. Without a list the order is that of their bytes.
    case ordinal([String] = [])
    /// Whole numbers from 0 with blanks between them: a field of the column's name, i32 `[T]`, padded with 0, and one with
    /// their lengths, `NAME_lengths` i32 `[]`.
    case tokens
    /// Text: the same fields, of the words' numbers in a vocabulary that is made of the training rows.
    case text

    var word: String {
      switch self {
      case .ignored: "ignored"
      case .oneHot: "one_hot"
      case .ordinal: "ordinal"
      case .tokens: "tokens"
      case .text: "text"
      }
    }

    /// Of words: what becomes of them, and their list.
    var words: (encoding: DatasetRecord.WordColumn.Encoding, words: [String])? {
      switch self {
      case .ignored, .tokens, .text: nil
      case .oneHot(let words): (.oneHot, words)
      case .ordinal(let words): (.ordinal, words)
      }
    }

    /// Whether this says nothing else of a column than a network knows.
    func fits(_ known: DatasetRecord.WordColumn?) -> Bool {
      guard let (encoding, words) = words else { return known == nil }
      guard let known, known.encoding == encoding else { return false }
      return words.isEmpty
        || words.count == known.words.count && zip(words, known.words).allSatisfy { $0.utf8.elementsEqual($1.utf8) }
    }
  }

  public var path: String
  /// What is to be learnt, a field each.
  public var learnt: [Target]
  /// Nil: there are none, and the features are the field `images`, or beside tokens `table`.
  public var pictures: Pictures?
  /// What columns that are no numbers are, by name or by index from 0.
  public var columns: [String: Reading] = [:]
  /// How many tokens a sequence or text is cut or padded to; nil: as many as the longest of the training rows has.
  public var sequenceLength: Int?
  /// Of columns of texts, each of which has a vocabulary of its own.
  public var vocabulary = DatasetRecord.VocabularyLimits()
  /// The share of the rows that is for testing; which ones depends on their number alone.
  public var testSplit: Double
  public var hasHeader: Bool
  public var delimiter: UInt8
  /// Whether features are shifted and scaled to mean 0 and deviation 1 over the training part.
  public var isNormalized: Bool

  public init(
    path: String, learnt: [Target], pictures: Pictures? = nil, testSplit: Double = 0.2, hasHeader: Bool = true,
    delimiter: UInt8 = UInt8(ascii: ","), isNormalized: Bool = false
  ) {
    (self.path, self.learnt, self.pictures) = (path, learnt, pictures)
    (self.testSplit, self.hasHeader) = (testSplit, hasHeader)
    (self.delimiter, self.isNormalized) = (delimiter, isNormalized)
  }

  /// What is to be learnt is one field, `labels`, of all columns `labels`.
  public init(
    path: String, labels: [String], targets: LabelKind = .classes, pictures: Pictures? = nil, testSplit: Double = 0.2,
    hasHeader: Bool = true, delimiter: UInt8 = UInt8(ascii: ","), isNormalized: Bool = false
  ) {
    self.init(
      path: path, learnt: [Target(Field.labels, columns: labels, targets)], pictures: pictures, testSplit: testSplit,
      hasHeader: hasHeader, delimiter: delimiter, isNormalized: isNormalized)
  }

  /// The columns that are to be learnt, by name or by index from 0.
  public var labels: [String] { learnt.flatMap(\.columns) }
  /// What the first field that is to be learnt holds.
  public var targets: LabelKind { learnt.first?.targets ?? .classes }

  /// Why no table can be read so; nil where one can.
  package var fault: String? {
    let hasTable = pictures != nil || hasSequences
    var taken = [Field.images, Field.sampleWeight] + (hasTable ? [Field.table] : [])
    for target in learnt {
      guard Self.isName(target.name) else {
        return "a field cannot be called \"\(target.name)\", with blanks: rename the column"
      }
      guard !taken.contains(target.name) else {
        return "there is another field that is called \(target.name): rename the column"
      }
      taken.append(target.name)
    }
    if let pictures, pictures.height < 1 || pictures.width < 1 || pictures.channels != 1 && pictures.channels != 3 {
      return "pictures are [height, width, 1 or 3], not [\(pictures.height), \(pictures.width), \(pictures.channels)]"
    }
    return nil
  }

  /// Whether a column holds tokens or texts.
  package var hasSequences: Bool { columns.values.contains(.tokens) || columns.values.contains(.text) }

  /// Whether a field can be called so.
  static func isName(_ name: String) -> Bool {
    !name.isEmpty
      && name.unicodeScalars.allSatisfy { !$0.properties.isWhitespace && $0.value > 0x20 && $0.value != 0x7f }
  }

  /// The same of what `columns` says.
  package var faultOfColumns: String? {
    let most = DatasetRecord.Tokens.mostOfSample
    if let sequenceLength, !(1...most).contains(sequenceLength) || !hasSequences {
      return "sequences of \(sequenceLength) tokens need a column of tokens or text, and a length from 1 to \(most)"
    }
    if let fault = vocabulary.fault { return fault }
    for (column, reading) in columns.sorted(by: { $0.key < $1.key }) {
      guard let (encoding, words) = reading.words else { continue }
      if words.contains("") || Set(words.map { Array($0.utf8) }).count < words.count {
        return "the list of the column \(column) has a word twice, or an empty one"
      }
      let most = DatasetRecord.WordColumn.most(encoding)
      if words.count > most { return "the list of the column \(column) has more than \(most) words" }
    }
    return nil
  }

  /// Reads the file once, which finds every mistake in it, and keeps only where the rows are and their classes; of
  /// pictures as much as their `check` says.
  public func open(_ request: DatasetRequest = DatasetRequest()) throws(DatasetError) -> DatasetParts {
    let scan = try scanned(request)
    let check = ImageCheck(of: scan.pictures, pictures?.check ?? .none)
    if let error = check.error { throw error }
    var parts = try scan.parts(identity: scan.identity)
    parts.notes += check.notes
    if let pictures, pictures.check != .none { parts.record?.contents = scan.pictureContents }
    return parts
  }

  /// The pass over the file.
  func scanned(_ request: DatasetRequest) throws(DatasetError) -> CSVScan {
    if let fault = fault ?? faultOfColumns { throw DatasetError(.invalid, "\(path): \(fault)") }
    let file = try RowFile(path, advice: RowFile.adviceOnData)
    var scan = CSVScan(self, request, file)
    try file.forEachRow { (bytes, span, line) throws(DatasetError) in
      let row = CSVRow(bytes: bytes, delimiter: delimiter)
      do throws(CSVRow.Problem) {
        try scan.add(row, span, line: line)
      } catch {
        // A row that is too short or too long has its fields in the wrong columns: that they cannot be read is no wonder.
        throw (scan.lengthProblem(of: row) ?? error).error(in: path, line: line)
      }
    }
    return scan
  }
}

/// What a column is for.
enum CSVColumn: Hashable, Sendable {
  /// By the place of its column among those of features.
  case feature(Int)
  /// By its place among those of tokens and texts.
  case tokens(Int)
  case picture
  /// A number of a target, both by their place.
  case label(target: Int, element: Int)
  /// The network was trained without it.
  case ignored
}

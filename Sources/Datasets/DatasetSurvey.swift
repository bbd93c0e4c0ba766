/// What a look at image files says of a size that fits them.
public struct ImageSurvey: Hashable, Sendable {
  /// How many were looked at.
  public var count: Int
  /// Their middle height and width or, where the longer of these is more than 64, as much less of both.
  public var height: Int
  public var width: Int
  /// 1 where all are gray, otherwise 3.
  public var channels: Int

  /// Looks at the headers of at most a thousand files, spread evenly; nil where none can be read.
  init?(_ paths: [String]) {
    let most = 1000
    let chosen = paths.count <= most ? paths : (0..<most).map { paths[$0 * paths.count / most] }
    let headers = ImageCheck.headers(of: chosen)
    guard !headers.isEmpty else { return nil }
    count = headers.count
    let upright = headers.map { $0.orientation.swapsAxes ? ($0.width, $0.height) : ($0.height, $0.width) }
    func middle(_ extents: [Int]) -> Int { extents.sorted()[extents.count / 2] }
    let (height, width) = (middle(upright.map(\.0)), middle(upright.map(\.1)))
    let scale = min(1, 64 / Double(max(height, width)))
    self.height = max(1, Int((Double(height) * scale).rounded()))
    self.width = max(1, Int((Double(width) * scale).rounded()))
    channels = headers.contains(where: \.hasColors) ? 3 : 1
  }
}

/// What a look at a folder of images by class finds.
public struct ImageFolderSurvey: Hashable, Sendable {
  public var path: String
  public var classNames: [String]
  /// Of all parts.
  public var count: Int
  public var images: ImageSurvey
  public var notes: [String]

  public init(_ path: String) throws(DatasetError) {
    let folder = ImageFolder(path: path, height: 1, width: 1, channels: 3, check: .none)
    try ClassFolderParts.refuseOthers(in: FolderListing(folder.path), of: .images)
    let parts = try folder.listed(DatasetRequest(mayLackParts: true))
    guard let images = ImageSurvey(ImageFolder.paths(of: parts)) else {
      throw DatasetError(.missing, "\(path) has no images that can be read")
    }
    (self.path, classNames, self.images, notes) = (folder.path, parts.train.classNames, images, parts.notes)
    count = ImageFolder.paths(of: parts).count
  }
}

/// What a look at every row of a table finds.
public struct CSVSurvey: Hashable, Sendable {
  public struct Column: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
      case numbers
      /// Numbers but for some cells, which are missing or, in a column of many different numbers, a few words.
      case numbersWithGaps
      case pictures
      case words
    }

    /// Some cells of the column.
    public struct Cells: Hashable, Sendable {
      public var count: Int
      /// Where the first of them is, and what stands there.
      public var line: Int
      public var text: String

      package init(count: Int, line: Int, text: String) {
        (self.count, self.line, self.text) = (count, line, text)
      }
    }

    /// Its index, where no row names it.
    public var name: String
    public var kind: Kind
    /// Numbers without a fraction.
    public var isWhole: Bool
    /// How many different things stand in it; nil: more than a thousand.
    public var distinctCount: Int?
    /// Whether its numbers, a new one in every row, only say which row it is: they count on, or the name says so.
    public var numbersRows: Bool
    /// Those that hold no number; nil: all do.
    public var words: Cells?
    /// Those that hold nothing.
    public var empty: Cells?
    /// Of at most twenty different words, none of them missing, all, sorted by their bytes; else none.
    public var fewWords: [String] = []
    /// Where most cells are texts, or sequences of tokens, and a field can be called as the column is.
    public var text: Text?
  }

  public var path: String
  public var delimiter: UInt8
  public var hasHeader: Bool
  public var columns: [Column] = []
  public var rowCount = 0
  /// Of the first column of pictures.
  public var images: ImageSurvey?

  private static let delimiters = [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t"), UInt8(ascii: "|")]

  /// `delimiter` and header are guessed: the sign that parts the first row into the most fields; whether that row differs
  /// in kind from those below it (`ColumnLook.areNamed`).
  public init(_ path: String) throws(DatasetError) {
    self.path = path
    let file = try RowFile(path, advice: "; --path names the file")
    (delimiter, hasHeader) = (UInt8(ascii: ","), true)
    var looks: [ColumnLook] = []
    var names: [String] = []
    var pictures: [String] = []
    try file.forEachRow { (bytes, _, line) throws(DatasetError) in
      do throws(CSVRow.Problem) {
        if looks.isEmpty {
          delimiter = try Self.delimiter(of: bytes)
          _ = try CSVRow(bytes: bytes, delimiter: delimiter).forEachField { (_, field) throws(CSVRow.Problem) in
            looks.append(try ColumnLook(first: field, line: line))
            names.append(try field.text)
          }
          return
        }
        rowCount += 1
        let row = CSVRow(bytes: bytes, delimiter: delimiter)
        let count = try row.forEachField { (index, field) throws(CSVRow.Problem) in
          if index < looks.count { try looks[index].add(field, line: line) }
        }
        guard count == looks.count else { throw CSVRow.Problem.length(count, first: looks.count) }
        if let place = looks.firstIndex(where: \.isOfPictures) {
          _ = try row.forEachField { (index, field) throws(CSVRow.Problem) in
            if index == place { pictures.append(try CSVPictures.path(of: field, table: path)) }
          }
        }
      } catch {
        throw error.error(in: path, line: line)
      }
    }
    hasHeader = ColumnLook.areNamed(looks)
    if !hasHeader {
      rowCount += 1
      for index in looks.indices { looks[index].addFirst() }
      if let place = looks.firstIndex(where: \.isOfPictures) {
        pictures.append(CSVPictures.path(of: names[place], table: path))
      }
    }
    guard rowCount > 0, !looks.isEmpty else { throw DatasetError(.corrupt, "\(path) has no rows of data") }
    columns = looks.enumerated().map { $1.column(named: hasHeader ? names[$0] : "\($0)") }
    if columns.contains(where: { $0.kind == .pictures }) { images = ImageSurvey(pictures) }
  }

  private static func delimiter(of bytes: UnsafeBufferPointer<UInt8>) throws(CSVRow.Problem) -> UInt8 {
    var best = (delimiter: delimiters[0], count: 0)
    for delimiter in delimiters {
      guard let count = try? CSVRow(bytes: bytes, delimiter: delimiter).forEachField({ _, _ in }) else { continue }
      if count > best.count { best = (delimiter, count) }
    }
    return best.delimiter
  }
}

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
  public var images: ImageSurvey
  public var notes: [String]

  public init(_ path: String) throws(DatasetError) {
    let folder = ImageFolder(path: path, height: 1, width: 1, channels: 3, check: .none)
    let parts = try folder.listed(DatasetRequest(mayLackParts: true))
    guard let images = ImageSurvey(ImageFolder.paths(of: parts)) else {
      throw DatasetError(.missing, "\(path) has no images that can be read")
    }
    (self.path, classNames, self.images, notes) = (folder.path, parts.train.classNames, images, parts.notes)
  }
}

/// What a look at every row of a table finds.
public struct CSVSurvey: Hashable, Sendable {
  public struct Column: Hashable, Sendable {
    public enum Kind: Hashable, Sendable { case numbers, pictures, words }

    /// Its index, where no row names it.
    public var name: String
    public var kind: Kind
    /// Numbers without a fraction.
    public var isWhole: Bool
    /// How many different things stand in it; nil: more than a thousand.
    public var distinctCount: Int?
  }

  public var path: String
  public var delimiter: UInt8
  public var hasHeader: Bool
  public var columns: [Column] = []
  public var rowCount = 0
  /// Of the first column of pictures.
  public var images: ImageSurvey?

  private static let delimiters = [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t"), UInt8(ascii: "|")]

  /// `delimiter` and header are guessed: the sign that parts the first row into the most fields; whether that row has a
  /// field that is no number, and none that is an image's name.
  public init(_ path: String) throws(DatasetError) {
    self.path = path
    let file = try RowFile(path)
    (delimiter, hasHeader) = (UInt8(ascii: ","), true)
    var looks: [Look] = []
    var pictures: [String] = []
    try file.forEachRow { (bytes, _, line) throws(DatasetError) in
      do throws(CSVRow.Problem) {
        let isFirst = looks.isEmpty
        if isFirst { delimiter = try Self.delimiter(of: bytes) }
        let row = CSVRow(bytes: bytes, delimiter: delimiter)
        if isFirst {
          let fields = try Self.texts(of: row)
          hasHeader = try !Self.areNumbers(row) && !fields.contains(where: ClassFolders.isImage)
          looks = fields.enumerated().map { Look(name: hasHeader ? $1 : "\($0)") }
          if hasHeader { return }
        }
        rowCount += 1
        let count = try row.forEachField { (index, field) throws(CSVRow.Problem) in
          if index < looks.count { try looks[index].add(field) }
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
    guard rowCount > 0 else { throw DatasetError(.corrupt, "\(path) has no rows of data") }
    columns = looks.map(\.column)
    if columns.contains(where: { $0.kind == .pictures }) { images = ImageSurvey(pictures) }
  }

  /// What was seen of a column so far.
  private struct Look {
    var name: String
    var areNumbers = true
    var areWhole = true
    var isOfPictures = true
    /// Nil: too many to be counted.
    var distinct: Set<String>? = []

    init(name: String) { self.name = name }

    mutating func add(_ field: CSVRow.Field) throws(CSVRow.Problem) {
      let text = try field.text
      let number = try? field.double
      areNumbers = areNumbers && number != nil
      areWhole = areWhole && number.map { $0 == $0.rounded() } ?? false
      isOfPictures = isOfPictures && ClassFolders.isImage(text)
      distinct?.insert(text)
      if distinct?.count ?? 0 > 1000 { distinct = nil }
    }

    var column: Column {
      Column(
        name: name, kind: areNumbers ? .numbers : isOfPictures ? .pictures : .words, isWhole: areWhole,
        distinctCount: distinct?.count)
    }
  }

  private static func delimiter(of bytes: UnsafeBufferPointer<UInt8>) throws(CSVRow.Problem) -> UInt8 {
    var best = (delimiter: delimiters[0], count: 0)
    for delimiter in delimiters {
      guard let count = try? CSVRow(bytes: bytes, delimiter: delimiter).forEachField({ _, _ in }) else { continue }
      if count > best.count { best = (delimiter, count) }
    }
    return best.delimiter
  }

  private static func texts(of row: CSVRow) throws(CSVRow.Problem) -> [String] {
    var texts: [String] = []
    _ = try row.forEachField { (_, field) throws(CSVRow.Problem) in texts.append(try field.text) }
    return texts
  }

  private static func areNumbers(_ row: CSVRow) throws(CSVRow.Problem) -> Bool {
    var areNumbers = true
    _ = try row.forEachField { (_, field) throws(CSVRow.Problem) in
      if (try? field.double) == nil { areNumbers = false }
    }
    return areNumbers
  }
}

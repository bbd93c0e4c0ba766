import Foundation

/// What a look at all of a data set finds: every image decoded, every row read, every published file measured.
public struct DatasetCheck: Hashable, Sendable, Encodable {
  public private(set) var isRight = true
  /// `mnist`, `image-folder`, `csv` …
  public internal(set) var source: String
  public internal(set) var path = ""
  /// In the order of the class numbers; empty where targets are numbers.
  public internal(set) var classNames: [String] = []
  /// Of data with other targets than `labels`: what is to be learnt.
  public internal(set) var targets: [DatasetRecord.Target]?
  public internal(set) var parts: [DatasetRecord.Part] = []
  /// `sha256:` over the contents: of a CSV file over its bytes, of a folder (and of a CSV file with its pictures) over the
  /// lines that `sha256sum` prints of its files in the order of their names' bytes; nil where a file cannot be read.
  public internal(set) var contents: String?
  /// What a user should know, in sentences.
  public internal(set) var notes: [String] = []
  /// What is wrong with files that can be read all the same; each names its file.
  public internal(set) var warnings: [String] = []
  /// What is wrong; each names its file.
  public internal(set) var problems: [String] = [] { didSet { isRight = problems.isEmpty } }

  init(source: String) { self.source = source }
}

extension DatasetSource {
  /// Looks at everything. What is not there is an error; what is there and wrong is among the problems.
  public func check() throws(DatasetError) -> DatasetCheck {
    switch self {
    case .named(let name, let path): try Self.check(NamedDataset.named(name), path)
    case .imageFolder(let folder): try Self.check(folder)
    case .csv(let file): try Self.check(file)
    case .texts(let folder): try Self.check(folder)
    case .series, .adding, .copying: try checkOpening()
    }
  }

  /// Where opening looks at everything.
  private func checkOpening() throws(DatasetError) -> DatasetCheck {
    var check = DatasetCheck(source: name)
    check.path = path ?? ""
    try check.reading { check throws(DatasetError) in
      check.count(try open())
      if case .series(let series) = self { check.contents = try Checksum.identity(ofContents: [series.path]) }
    }
    return check
  }

  private static func check(_ dataset: NamedDataset, _ path: String?) throws(DatasetError) -> DatasetCheck {
    var check = DatasetCheck(source: dataset.name)
    check.path = try dataset.folderToVerify(given: path)
    for file in try dataset.verify(folder: check.path) where file.state == .different || file.state == .missing {
      check.problems.append("\(check.path): \(file.words)")
    }
    let source = DatasetSource.named(dataset.name, path: path)
    try check.reading { check throws(DatasetError) in check.count(try source.open()) }
    return check
  }

  private static func check(_ folder: ImageFolder) throws(DatasetError) -> DatasetCheck {
    var check = DatasetCheck(source: "image-folder")
    check.path = folder.path
    var listing = folder
    listing.check = .none
    // Listed beside what is wrong with the images.
    listing.refusesStrays = false
    let source = DatasetSource.imageFolder(listing)
    try check.reading { check throws(DatasetError) in
      let parts: DatasetParts
      do throws(DatasetError) {
        parts = try source.open()
      } catch {
        // Where that is an empty part, the others are looked at all the same.
        parts = try source.open(DatasetRequest(mayLackParts: true))
        check.problems.append(error.message)
      }
      check.count(parts)
      let paths = ImageFolder.paths(of: parts)
      let images = ImageCheck(of: paths, .all)
      check.notes += images.notes
      check.warnings = images.warnings
      check.problems += try folder.strays() + images.problems
      check.contents = contents(of: paths, in: folder.path)
    }
    return check
  }

  private static func check(_ file: CSVFile) throws(DatasetError) -> DatasetCheck {
    var check = DatasetCheck(source: "csv")
    check.path = file.path
    try check.reading { check throws(DatasetError) in
      let scan = try file.scanned(DatasetRequest())
      let images = ImageCheck(of: scan.pictures, .all)
      (check.notes, check.warnings, check.problems) = (images.notes, images.warnings, images.problems)
      do throws(DatasetError) {
        // What is not there has no size, and is among the problems.
        check.count(try scan.parts(identity: ""))
      } catch {
        // Such as an empty part, beside the pictures that cannot be read.
        check.problems.append(error.message)
      }
      // What is no regular file may never end.
      if images.problems.isEmpty { check.contents = try scan.contents }
    }
    return check
  }

  private static func check(_ folder: TextFolder) throws(DatasetError) -> DatasetCheck {
    var check = DatasetCheck(source: TextFolder.word)
    check.path = folder.path
    try check.reading { check throws(DatasetError) in
      let scan: TextFolderScan
      do throws(DatasetError) {
        scan = try folder.scanned(DatasetRequest(), refusesStrays: false)
      } catch {
        // Where that is an empty part, the others are looked at all the same.
        scan = try folder.scanned(DatasetRequest(mayLackParts: true), refusesStrays: false)
        check.problems.append(error.message)
      }
      check.problems += scan.strays + scan.problems
      do throws(DatasetError) { check.count(try scan.parts()) } catch { check.problems.append(error.message) }
      check.contents = contents(of: scan.paths, in: folder.path)
    }
    return check
  }

  private static func contents(of paths: [String], in folder: String) -> String? {
    let names = paths.map { String($0.dropFirst(folder.count + 1)) }.sorted {
      $0.utf8.lexicographicallyPrecedes($1.utf8)
    }
    return try? Checksum.identity(ofFiles: names, in: folder)
  }
}

extension DatasetCheck {
  /// Calls `body`; an error about what is there becomes a problem.
  fileprivate mutating func reading(_ body: (inout DatasetCheck) throws(DatasetError) -> Void) throws(DatasetError) {
    do throws(DatasetError) {
      try body(&self)
    } catch {
      guard error.kind == .corrupt || error.kind == .invalid else { throw error }
      // Where files are known to be others than they should be, that is why.
      if problems.isEmpty { problems.append(error.message) }
    }
  }

  /// Takes over what was counted.
  fileprivate mutating func count(_ data: DatasetParts) {
    classNames = data.train.classNames
    targets = data.record?.targetFields
    notes += data.notes
    parts = data.record?.parts ?? []
  }
}

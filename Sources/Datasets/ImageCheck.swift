import Foundation

/// Whether image files can be read, and what is done to them: the header of every file is looked at, and as many as
/// `Extent` says are decoded, on all cores.
public struct ImageCheck: Sendable {
  /// The words of `data.check`.
  public enum Extent: String, Hashable, Sendable, CaseIterable {
    /// Every file is decoded.
    case all
    /// Files are decoded for about two seconds: those that look cut off (the first hundred of them in any case), then a
    /// sample spread evenly over the others.
    case quick
    /// Nothing is looked at.
    case none
  }

  public private(set) var fileCount = 0
  public private(set) var decodedCount = 0
  /// What is wrong with files that cannot be read, by their paths' order; each names its file.
  public private(set) var problems: [String] = []
  /// What is wrong with files that can be read all the same, and were decoded; each names its file.
  public private(set) var warnings: [String] = []
  private var turnedCount = 0
  private var flattenedCount = 0
  private var inksCount = 0

  /// A picture, and what stands before its path in problems and warnings: where it is named.
  struct File {
    var path: String
    var place = ""
  }

  /// What was found out about a file.
  private struct Finding: Sendable {
    var header: ImageHeader?
    /// Whether only decoding tells if it can be read.
    var isDoubtful = false
    var isDecoded = false
    var changes: Image.Changes = []
    var warning: String?
    var problem: String?
  }

  private static let doubtfulDecodedAnyway = 100

  /// `seconds` is the time for decoding of a quick check.
  public init(of paths: [String], _ extent: Extent, seconds: Double = 2) {
    self.init(of: paths.map { File(path: $0) }, extent, seconds: seconds)
  }

  init(of files: [File], _ extent: Extent, seconds: Double = 2) {
    fileCount = files.count
    guard extent != .none else { return }
    // Neighbours by name are of one class, and mostly from one source.
    let files = files.sorted { $0.path < $1.path }
    let paths = files.map(\.path)
    let looks = onAllCores(paths.count) { Self.look(at: paths[$0]) }
    let deadline = ContinuousClock.now + .seconds(seconds)
    let order = Self.order(looks.map(\.isDoubtful))
    let decoded = onAllCores(order.count) { position -> Finding in
      let finding = looks[order[position]]
      // Where not even a header was found, decoding says at once why.
      let isDue = finding.header == nil || finding.isDoubtful && position < Self.doubtfulDecodedAnyway
      guard extent == .all || isDue || ContinuousClock.now < deadline else { return finding }
      return Self.decoded(paths[order[position]], finding)
    }
    for (index, finding) in zip(order, decoded).sorted(by: { $0.0 < $1.0 }) { add(finding, files[index].place) }
  }

  private mutating func add(_ finding: Finding, _ place: String) {
    if finding.isDecoded { decodedCount += 1 }
    if finding.changes.contains(.turned) { turnedCount += 1 }
    if finding.changes.contains(.flattened) { flattenedCount += 1 }
    if finding.changes.contains(.inksConverted) { inksCount += 1 }
    if let warning = finding.warning { warnings.append(place + warning) }
    if let problem = finding.problem { problems.append(place + problem) }
  }

  // MARK: What it says

  /// What a user should know of images that can be read, in sentences.
  public var notes: [String] {
    var notes: [String] = []
    if turnedCount > 0 { notes.append("\(some(turnedCount, "is", "are")) turned as Exif's orientation says") }
    if flattenedCount > 0 {
      notes.append("\(some(flattenedCount, "has", "have")) opacity: transparent parts become white")
    }
    if inksCount > 0 { notes.append("\(some(inksCount, "has", "have")) four inks (CMYK) and become RGB") }
    if let first = warnings.first {
      notes.append(
        "\(some(warnings.count, "is", "are")) faulty, but can be read. \(first)"
          + (warnings.count > 1 ? "; switchback data check CONFIG lists them all" : ""))
    }
    return notes
  }

  private func some(_ count: Int, _ verb: String, _ verbs: String) -> String {
    "\(count) of \(fileCount) images \(count == 1 ? verb : verbs)"
  }

  /// All that is wrong in one error, at most twenty files by name; nil where nothing is.
  public var error: DatasetError? {
    guard !problems.isEmpty else { return nil }
    let shown = problems.prefix(20).map { "\n  " + $0 }.joined()
    let rest = problems.count > 20 ? "\n  and \(problems.count - 20) more" : ""
    let extent = decodedCount < fileCount ? " (\(decodedCount) were decoded)" : ""
    return DatasetError(
      .corrupt,
      "\(problems.count) of \(fileCount) images cannot be read\(extent):\(shown)\(rest)\nMend or remove them; switchback "
        + "data check CONFIG decodes every image and lists all that is wrong")
  }

  // MARK: Looking at files

  /// What the headers of files say, where they say something.
  static func headers(of paths: [String]) -> [ImageHeader] {
    onAllCores(paths.count) { look(at: paths[$0]).header }.compactMap { $0 }
  }

  /// The first bytes of a regular file; nil where there is none that can be read.
  static func beginning(of path: String) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return bytes(of: file, at: 0, min(Int(status.st_size), 1 << 16))
  }

  private static func look(at path: String) -> Finding {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { return Finding(problem: "\(path): \(String(cString: strerror(errno)))") }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      return Finding(problem: "\(path) is no regular file")
    }
    let size = Int(status.st_size)
    guard size <= FileBytes.mostBytes else {
      return Finding(problem: "\(path) is more than \(FileBytes.mostBytes >> 20) MiB: it is another file")
    }
    // A header with thumbnails and color profiles may be longer.
    for length in [min(size, 1 << 16), size] {
      guard let header = ImageHeader(bytes(of: file, at: 0, length)) else { continue }
      let end =
        switch header.kind {
        case .png: pngEnd
        case .jpeg: [0xff, 0xd9] as [UInt8]
        case .netpbm: [] as [UInt8]
        }
      let isDoubtful =
        header.isUnusual || size < header.byteCount || bytes(of: file, at: size - end.count, end.count) != end
      return Finding(header: header, isDoubtful: isDoubtful, changes: header.changes)
    }
    return Finding(isDoubtful: true)
  }

  /// The chunk IEND.
  private static let pngEnd: [UInt8] = [0, 0, 0, 0, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82]

  /// As many bytes of a file as there are from an offset on, at most `count`.
  private static func bytes(of file: Int32, at offset: Int, _ count: Int) -> [UInt8] {
    guard offset >= 0 else { return [] }
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let got = pread(file, buffer.baseAddress! + filled, count - filled, off_t(offset + filled))
        if got < 0, errno == EINTR { continue }
        guard got > 0 else { break }
        filled += got
      }
    }
  }

  private static func decoded(_ path: String, _ finding: Finding) -> Finding {
    guard finding.problem == nil else { return finding }
    var finding = finding
    finding.isDecoded = true
    do throws(DatasetError) {
      let image = try Image(path: path)
      finding.changes = image.changes
      finding.warning = image.warning.map { "\(path): \($0)" }
    } catch {
      finding.problem = error.message
    }
    return finding
  }

  /// The order to decode in: doubtful files, then the others so that wherever it is left off they were taken evenly
  /// from all (multiples of an irrational share of their number; Weyl 1916).
  private static func order(_ areDoubtful: [Bool]) -> [Int] {
    let others = areDoubtful.indices.filter { !areDoubtful[$0] }
    var step = max(1, Int(Double(others.count) * 0.618_033_988_749_895))
    while greatestCommonDivisor(step, others.count) > 1 { step += 1 }
    return areDoubtful.indices.filter { areDoubtful[$0] } + others.indices.map { others[$0 * step % others.count] }
  }

  private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestCommonDivisor(b, a % b) }
}

extension ImageFolder {
  /// Lists the files and checks them as far as `check` says; images are decoded as they are asked for.
  ///
  /// All files that are found to be broken are in one error.
  public func open(_ request: DatasetRequest = DatasetRequest()) throws(DatasetError) -> DatasetParts {
    var parts = try listed(request)
    let paths = Self.paths(of: parts)
    let check = ImageCheck(of: paths, check)
    if let error = check.error { throw error }
    parts.notes += check.notes
    if self.check != .none {
      parts.record?.contents = PictureContents.sum(of: paths, names: paths.map { String($0.dropFirst(path.count)) })
    }
    return parts
  }

  /// The files of all parts.
  static func paths(of parts: DatasetParts) -> [String] {
    [parts.train, parts.validation, parts.test].flatMap { ($0 as? ImageFiles)?.paths ?? [] }
  }
}

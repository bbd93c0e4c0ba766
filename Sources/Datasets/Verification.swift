/// What a file of a data set is, measured against what its makers published.
public struct FileCheck: Codable, Hashable, Sendable {
  public enum State: String, Codable, Sendable {
    /// Size and checksum are right.
    case right
    /// The size is right, and no checksum is known.
    case sizeRight
    case different
    case missing
  }

  public var file: String
  public var path: String?
  public var state: State
  /// Bytes, unpacked.
  public var expectedSize: Int
  public var size: Int?
  public var expectedSHA256: String?
  public var sha256: String?
  /// The data set that this file belongs to, where it is another's.
  public var belongsTo: String?

  /// In a line for people.
  public var words: String {
    switch state {
    case .right: "\(file): right"
    case .sizeRight: "\(file): \(expectedSize) bytes, as it should (no checksum is known)"
    case .missing: "\(file): missing"
    case .different:
      if let belongsTo {
        "\(file): this is the file of \(belongsTo)"
      } else if size != expectedSize {
        "\(file): should hold \(expectedSize) bytes, but holds \(size ?? 0)"
      } else {
        "\(file): SHA-256 should be \(expectedSHA256 ?? ""), but is \(sha256 ?? "")"
      }
    }
  }
}

extension NamedDataset {
  /// The folder to measure: a given one that holds the files even where its name says that they are another's, which is
  /// what measuring is to find out.
  public func folderToVerify(given: String?) throws(DatasetError) -> String {
    let direct = given.map { [$0 + "/" + name, $0] } ?? []
    let found = direct.first { folder in files.allSatisfy { Self.path(of: $0.name, in: folder) != nil } }
    if let found { return found }
    return try folder(given: given)
  }

  /// Measures all files in a folder.
  public func verify(folder: String) throws(DatasetError) -> [FileCheck] {
    var checks: [FileCheck] = []
    for file in files { checks.append(try check(file, at: Self.path(of: file.name, in: folder))) }
    return checks
  }

  func check(_ file: File, at path: String?) throws(DatasetError) -> FileCheck {
    var check = FileCheck(
      file: file.name, path: path, state: .missing, expectedSize: file.size, expectedSHA256: file.sha256)
    guard let path else { return check }
    let reader = ContentReader(makesSums: file.sha256 != nil)
    do throws(DatasetError) {
      check.size = try reader.read(path).count
    } catch {
      // A broken gzip file is no error of the check but what it finds.
      guard error.kind == .corrupt else { throw error }
    }
    guard let expected = file.sha256 else {
      check.state = check.size == file.size ? .sizeRight : .different
      return check
    }
    let found = try reader.sha256(of: path)
    check.sha256 = found
    check.state = found == expected ? .right : .different
    if check.state == .different {
      check.belongsTo = Self.all.first { $0.name != name && $0.files.contains { $0.sha256 == found } }?.name
    }
    return check
  }
}

public import Foundation

/// A log: a file to whose end lines are added.
public final class LineFile {
  public let path: String
  private let file: Int32

  /// A new file, or with `keeping` the one that is there with those of its lines (without their ends) that it says.
  public init(_ path: String, keeping: ((Data) -> Bool)? = nil) throws(FileError) {
    self.path = path
    if let keeping {
      let old = access(path, F_OK) == 0 ? try RegularFile.read(path) : Data()
      // Beside it first: whoever is killed here, or finds the disk full, still has the old lines.
      var kept = Data()
      for line in old.split(separator: UInt8(ascii: "\n")) where keeping(line) {
        kept += line
        kept.append(UInt8(ascii: "\n"))
      }
      if kept != old { try AtomicFile.write(kept, to: path) }
    }
    let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (keeping == nil ? O_EXCL : 0), 0o644)
    guard file >= 0 else { throw FileError(path, .make) }
    self.file = file
  }

  deinit { close(file) }

  /// The whole number behind `"key":` in a line of JSON.
  public static func number(_ key: String, in line: Data) -> Int? {
    guard let place = line.range(of: Data("\"\(key)\":".utf8)) else { return nil }
    return Int(String(decoding: line[place.upperBound...].prefix { (48...57).contains($0) }, as: UTF8.self))
  }

  public func append(_ line: String) throws(FileError) {
    try AtomicFile.write(Data((line + "\n").utf8), to: file, of: path)
  }
}

import Foundation
import SwitchbackInterchange

/// CSV (RFC 4180): a line a probe.
public final class RowTable: MonitorSink {
  public static let head = "step,loss,path,kind,count,l2,mean,m2,min,max,abs_max,zeros,nans,infinities"

  private let path: String
  private var file: LineFile?

  public init(_ path: String) { self.path = path }

  /// A file with other columns is an error, and is left as it is.
  public func begin(after step: Int) throws {
    file = nil
    let newline = UInt8(ascii: "\n")
    let before = access(path, F_OK) == 0 ? try RegularFile.read(path) : Data()
    let (first, head) = (before.prefix { $0 != newline }, Data(Self.head.utf8))
    // Whoever was ended while the head was written has lost nothing.
    let isTornHead = first.count == before.count && head.starts(with: first)
    guard isTornHead || first == head else {
      throw SinkFormatError(
        description: "\(path) has other columns than this program writes (\(Self.head)). \(DamagedFile.advice)")
    }
    let unended = before.last == newline ? Data() : before.suffix(from: (before.lastIndex(of: newline) ?? -1) + 1)
    let file = try LineFile(path) { line in
      guard !isTornHead, line != unended || Self.isWhole(line) else { return false }
      let cell = String(decoding: line.prefix { $0 != UInt8(ascii: ",") }, as: UTF8.self)
      return Int(cell).map { $0 <= step } ?? true
    }
    if isTornHead { try file.append(Self.head) }
    self.file = file
  }

  /// Whether a line without its end has all of its last number, which is a count.
  private static func isWhole(_ line: Data) -> Bool {
    func commas(_ bytes: some Sequence<UInt8>) -> Int { bytes.count { $0 == UInt8(ascii: ",") } }
    return commas(line) >= commas(head.utf8) && line.suffix(2) == Data(".0".utf8)
  }

  public func write(_ rows: ProbeRows) throws {
    let lines = rows.rows.map { probe, s in
      let numbers = [s.count, s.l2, s.mean, s.m2, s.min, s.max, s.absMax, s.zeros, s.nans, s.infinities]
      let cells = ["\(rows.step)", "\(rows.loss)", Self.cell(probe.path), probe.kind.rawValue]
      return (cells + numbers.map { "\($0)" }).joined(separator: ",")
    }
    if !lines.isEmpty { try file?.append(lines.joined(separator: "\n")) }
  }

  /// In quotes where it must be: a layer of a block may be called anything.
  static func cell(_ text: String) -> String {
    guard text.contains(where: { ",\"\n\r".contains($0) }) else { return text }
    return "\"" + text.replacingOccurrences(of: "\"", with: "\"\"") + "\""
  }
}

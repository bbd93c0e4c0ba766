import Foundation
import SwitchbackInterchange

/// CSV (RFC 4180): a line a probe.
public final class RowTable: MonitorSink {
  public static let head = "step,loss,path,kind,count,l2,mean,m2,min,max,abs_max,zeros,nans,infinities"

  private let path: String
  private var file: LineFile?

  public init(_ path: String) { self.path = path }

  public func begin(after step: Int) throws {
    let file = try LineFile(path) { line in
      // A torn line is none: whoever reads the table would take its last number for a whole one.
      guard line.count(where: { $0 == UInt8(ascii: ",") }) >= Self.head.count(where: { $0 == "," }) else {
        return false
      }
      let cell = String(decoding: line.prefix { $0 != UInt8(ascii: ",") }, as: UTF8.self)
      return Int(cell).map { $0 <= step } ?? true
    }
    if try RegularFile.read(path).isEmpty { try file.append(Self.head) }
    self.file = file
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

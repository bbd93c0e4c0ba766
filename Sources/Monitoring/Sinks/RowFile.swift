import Foundation
import SwitchbackInterchange

/// The rows of the probes as records of bytes, a quarter as long as JSON and safe against crashes: `README.md` beside says how
/// they lie. `RowFileContents` reads them.
public final class RowFile: MonitorSink {
  static let magic = Data("SWBKROWS".utf8)
  static let version: UInt32 = 1
  static let head: Data = {
    var head = magic
    head.append(version)
    head.append(UInt32(0))
    return head
  }()
  /// Of a record, before its payload.
  static let prefixBytes = 8
  /// Of a look, what comes once, and of each row.
  static let lookBytes = 22
  static let rowBytes = 56

  enum Kind: UInt8 {
    case probe = 1
    case look = 2
  }

  private let path: String
  private var file: RecordFile?
  public private(set) var warning: String?
  /// The number of each probe that the file names, by kind and path.
  private var numbers: [RowFileContents.Probe: UInt32] = [:]

  public init(_ path: String) { self.path = path }

  /// Goes on behind the last whole record of the step, or of one before it. A file that is of another format is an error,
  /// and is left as it is; where a record before is broken, the whole file is kept under another name.
  public func begin(after step: Int) throws {
    (file, warning) = (nil, nil)
    let old = access(path, F_OK) == 0 ? try RegularFile.read(path) : Data()
    // Whoever was ended while the head was written has lost nothing.
    guard old.count >= Self.head.count || !Self.head.starts(with: old) else {
      let made = try RecordFile(path)
      try made.append(Self.head)
      (numbers, file) = ([:], made)
      return
    }
    let before = try RowFileContents(old, of: path)
    let (end, probes) = before.end(after: step)
    if let fault = before.fault, let further = before.firstStepBehind, further <= step {
      warning = try DamagedFile.keep(old, of: path, fault)
    }
    numbers = Dictionary(before.probes.prefix(probes).enumerated().map { ($1, UInt32($0)) }) { first, _ in first }
    file = try RecordFile(path, keeping: end)
  }

  public func write(_ rows: ProbeRows) throws {
    guard let file, !rows.rows.isEmpty else { return }
    var records = Data()
    var look = Data([Kind.look.rawValue, rows.isApplied ? 1 : 0])
    look.append(UInt64(max(rows.step, 0)))
    look.append(rows.loss)
    look.append(UInt32(rows.rows.count))
    for (probe, statistics) in rows.rows {
      let probe = RowFileContents.Probe(kind: probe.kind.rawValue, path: probe.path)
      look.append(numbers[probe] ?? name(probe, &records))
      look.append(row: statistics)
    }
    records.append(record: look)
    // In one piece: a look is never without the names of its probes.
    try file.append(records)
  }

  private func name(_ probe: RowFileContents.Probe, _ records: inout Data) -> UInt32 {
    let number = UInt32(numbers.count)
    numbers[probe] = number
    var payload = Data([Kind.probe.rawValue])
    payload.append(number)
    for text in [probe.kind, probe.path] {
      let bytes = Data(text.utf8).prefix(Int(UInt16.max))
      payload.append(UInt16(bytes.count))
      payload.append(bytes)
    }
    records.append(record: payload)
    return number
  }
}

extension Data {
  fileprivate mutating func append(record payload: Data) {
    append(UInt32(payload.count))
    append(CRC32C(payload).value)
    append(payload)
  }

  fileprivate mutating func append(row s: TensorStatistics) {
    for count in [s.count, s.zeros, s.nans, s.infinities] { append(UInt32(clampingRounded: count)) }
    // Elements are f32, so these three are.
    for element in [s.min, s.max, s.absMax] { append(Float(element)) }
    for sum in [s.mean, s.m2, s.l2] { append(sum) }
  }
}

extension UInt32 {
  /// The largest where it does not fit.
  fileprivate init(clampingRounded number: Double) {
    self = number >= 0 ? UInt32(exactly: Swift.min(number, Double(UInt32.max)).rounded()) ?? 0 : 0
  }
}

import Foundation
import SwitchbackInterchange

/// What a file of rows (`RowFile`) holds, as far as its records are whole.
public struct RowFileContents: Sendable {
  /// Kind and path, as `Probe` has them.
  public struct Probe: Hashable, Sendable {
    public var kind: String
    public var path: String

    public init(kind: String, path: String) { (self.kind, self.path) = (kind, path) }
  }

  public struct Row: Hashable, Sendable {
    public var probe: Probe
    public var statistics: TensorStatistics
  }

  /// What the probes saw in a step.
  public struct Look: Hashable, Sendable {
    public var step: Int
    public var loss: Double
    public var isApplied: Bool
    public var rows: [Row]
  }

  public private(set) var looks: [Look] = []
  /// In the order of their numbers.
  public private(set) var probes: [Probe] = []
  /// Why reading ended before the file does, and at which byte; nil where all of it was read.
  public private(set) var fault: String?
  /// The step of the first whole look behind that byte; nil where there is none, as behind a record that a crash has torn.
  public private(set) var firstStepBehind: Int?
  /// Behind the head and each look: its step, the byte, and how many probes are named before that.
  private var ends: [(step: Int, end: Int, probes: Int)] = []

  /// Throws `FileError` where it cannot be read, and `SinkFormatError` where it is no file of rows, or one of another version.
  public init(_ path: String) throws { try self.init(RegularFile.read(path), of: path) }

  /// Of what a file holds.
  init(_ data: Data, of path: String) throws(SinkFormatError) {
    var reader = ByteReader(data)
    guard reader.data(RowFile.magic.count) == RowFile.magic, let version = reader.integer(UInt32.self),
      reader.integer(UInt32.self) != nil
    else {
      throw SinkFormatError(
        description: "\(path) is no file of rows: it does not begin with SWBKROWS and a version. \(DamagedFile.advice)")
    }
    guard version == RowFile.version else {
      throw SinkFormatError(
        description: "\(path) is a file of rows of version \(version), and this program knows \(RowFile.version). "
          + DamagedFile.advice)
    }
    ends = [(.min, reader.offset, 0)]
    while reader.left > 0 {
      let start = reader.offset
      if let trouble = readRecord(&reader) {
        firstStepBehind = Self.firstStep(in: data, behind: start)
        fault =
          "\(trouble) at byte \(start); what lies before it is whole"
          + (firstStepBehind.map { ", and so is what lies behind it from step \($0) on" } ?? "")
        return
      }
    }
  }

  /// Where the last record of this step or of one before it ends, and how many probes are named before.
  func end(after step: Int) -> (end: Int, probes: Int) {
    let last = ends.last { $0.step <= step } ?? (.min, RowFile.head.count, 0)
    return (last.end, last.probes)
  }

  /// What is wrong with the next record; nil where nothing is.
  private mutating func readRecord(_ reader: inout ByteReader) -> String? {
    guard let count = reader.integer(UInt32.self), let sum = reader.integer(UInt32.self),
      let payload = reader.data(Int(count))
    else { return "the last record is torn" }
    guard CRC32C(payload).value == sum else { return "a record's checksum does not fit it" }
    var part = ByteReader(payload)
    guard let word = part.integer(UInt8.self) else { return "a record is empty" }
    switch RowFile.Kind(rawValue: word) {
    case .probe:
      guard let number = part.integer(UInt32.self), Int(number) == probes.count,
        let kind = part.integer(UInt16.self).flatMap({ part.text(Int($0)) }),
        let path = part.integer(UInt16.self).flatMap({ part.text(Int($0)) })
      else { return "a record names no probe" }
      probes.append(Probe(kind: kind, path: path))
    case .look:
      guard let look = look(&part) else { return "a record is no look" }
      looks.append(look)
      ends.append((look.step, reader.offset, probes.count))
    // Of a later program: passed over.
    case nil: break
    }
    return nil
  }

  /// The step of the first whole look that begins behind a byte.
  private static func firstStep(in data: Data, behind start: Int) -> Int? {
    data.withUnsafeBytes { bytes in
      func number(at place: Int) -> Int {
        Int(bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self).littleEndian)
      }
      let least = RowFile.prefixBytes + RowFile.lookBytes
      // A forged file may look like a long record at every byte; such a one is worth keeping.
      var patience = 4 * bytes.count
      for offset in start + 1..<max(start + 1, bytes.count - least + 1) {
        let payload = offset + RowFile.prefixBytes
        guard bytes[payload] == RowFile.Kind.look.rawValue else { continue }
        let count = number(at: offset)
        guard count <= bytes.count - payload,
          count == RowFile.lookBytes + number(at: payload + RowFile.lookBytes - 4) * RowFile.rowBytes
        else { continue }
        patience -= count
        guard patience >= 0 else { return 0 }
        guard CRC32C(bytes[payload..<payload + count]).value == UInt32(number(at: offset + 4)) else { continue }
        return Int(clamping: bytes.loadUnaligned(fromByteOffset: payload + 2, as: UInt64.self).littleEndian)
      }
      return nil
    }
  }

  private func look(_ part: inout ByteReader) -> Look? {
    guard let isApplied = part.integer(UInt8.self), let step = part.integer(UInt64.self),
      let loss = part.double(), let count = part.integer(UInt32.self), step <= UInt64(Int.max),
      part.left == Int(count) * RowFile.rowBytes
    else { return nil }
    var look = Look(step: Int(step), loss: loss, isApplied: isApplied == 1, rows: [])
    for _ in 0..<count {
      guard let number = part.integer(UInt32.self), Int(number) < probes.count,
        let statistics = TensorStatistics(&part)
      else { return nil }
      look.rows.append(Row(probe: probes[Int(number)], statistics: statistics))
    }
    return look
  }
}

extension TensorStatistics {
  fileprivate init?(_ part: inout ByteReader) {
    guard let count = Self.count(&part), let zeros = Self.count(&part), let nans = Self.count(&part),
      let infinities = Self.count(&part), let min = Self.element(&part), let max = Self.element(&part),
      let absMax = Self.element(&part), let mean = part.double(), let m2 = part.double(), let l2 = part.double()
    else { return nil }
    self.init(count: count, l2: l2, absMax: absMax, zeros: zeros, nans: nans, infinities: infinities)
    (self.min, self.max, self.mean, self.m2) = (min, max, mean, m2)
  }

  private static func count(_ part: inout ByteReader) -> Double? { part.integer(UInt32.self).map { Double($0) } }
  private static func element(_ part: inout ByteReader) -> Double? { part.float().map { Double($0) } }
}

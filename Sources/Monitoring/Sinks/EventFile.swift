import Foundation
import SwitchbackInterchange

/// An event file of TensorBoard: the numbers of steps and epochs and ‖δ‖ of layers as scalars, gradients as histograms over
/// log₁₀|g|, findings as text. `README.md` beside says the tags.
public final class EventFile: MonitorSink {
  /// TensorBoard reads what has `tfevents` in its name.
  public static let name = "events.out.tfevents.0000000001.switchback"

  private let path: String
  /// Seconds since 1970, which the page shows beside each point.
  private let time: () -> Double
  private var file: RecordFile?
  public private(set) var warning: String?

  public init(_ path: String, time: @escaping () -> Double = { Date().timeIntervalSince1970 }) {
    (self.path, self.time) = (path, time)
  }

  /// Goes on behind the last whole record of the step, or of one before it. Where a record before is broken, the whole file
  /// is kept under another name.
  public func begin(after step: Int) throws {
    (file, warning) = (nil, nil)
    try Folder.make(URL(fileURLWithPath: path).deletingLastPathComponent().path)
    let before = access(path, F_OK) == 0 ? try RegularFile.read(path) : Data()
    let (end, isBroken) = Self.end(of: before, after: step)
    guard end > 0 || Self.isTornHead(before) else {
      throw SinkFormatError(description: "\(path) is no event file. \(DamagedFile.advice)")
    }
    if isBroken, Self.hasStep(upTo: step, in: before, from: end) {
      warning = try DamagedFile.keep(before, of: path, "a record is broken at byte \(end)")
    }
    file = try RecordFile(path, keeping: end)
    if end == 0 { try file?.append(Self.head(at: time())) }
  }

  public func write(_ numbers: [String: Double], step: Int) throws {
    let values = numbers.sorted { $0.key < $1.key }
    try append(step: step) { event in
      event.message(5) { for (tag, number) in values { scalar(tag, number, in: &$0) } }
    }
  }

  public func write(_ rows: ProbeRows) throws {
    guard !rows.rows.isEmpty else { return }
    try append(step: rows.step) { event in
      event.message(5) { summary in
        for (probe, statistics) in rows.rows {
          switch probe.kind {
          case .deltaAfterGate: scalar("delta_norm/" + probe.path, statistics.l2, in: &summary)
          case .parameterGradient:
            scalar("gradient_norm/" + probe.path, statistics.l2, in: &summary)
            histogram("gradient_log10/" + probe.path, statistics, in: &summary)
          case .deltaBeforeGate, .deltaBetween, .deltaOverTime, .parameterUpdate, .parameter: break
          }
        }
        for ratio in rows.updateRatios { scalar("update_ratio/" + ratio.parameter, ratio.ratio, in: &summary) }
      }
    }
  }

  public func write(_ finding: Finding) throws {
    try append(step: finding.step) { event in
      event.message(5) { summary in
        summary.message(1) { value in
          head("findings/" + finding.rule, plugin: "text", dataClass: 2, in: &value)
          value.message(8) { tensor in
            tensor.varint(1, 7)
            shape([1], in: &tensor)
            let layers = finding.layers.isEmpty ? "" : " (\(finding.layers.joined(separator: ", ")))"
            tensor.text(8, "**\(finding.severity.rawValue)**\(layers): \(finding.message)")
          }
        }
      }
    }
  }

  // MARK: Values

  private func scalar(_ tag: String, _ number: Double, in summary: inout ProtocolBuffer) {
    summary.message(1) { value in
      head(tag, plugin: "scalars", dataClass: 1, in: &value)
      value.message(8) { tensor in
        tensor.varint(1, 1)
        shape([], in: &tensor)
        var bytes = Data()
        bytes.append(Float(number))
        tensor.data(5, bytes)
      }
    }
  }

  /// Rows of (left, right, count) over log₁₀|g|, where the probe counted exponents; zeros have none.
  private func histogram(_ tag: String, _ statistics: TensorStatistics, in summary: inout ProtocolBuffer) {
    let bins = statistics.decadeBins
    guard !bins.isEmpty else { return }
    summary.message(1) { value in
      head(tag, plugin: "histograms", dataClass: 2, in: &value)
      value.message(8) { tensor in
        tensor.varint(1, 2)
        shape([bins.count, 3], in: &tensor)
        var bytes = Data()
        for bin in bins {
          for number in [bin.left, bin.right, bin.count] { bytes.append(number) }
        }
        tensor.data(4, bytes)
      }
    }
  }

  /// What a tag's values are is said with each: a run that goes on need not know with which it was said.
  private func head(_ tag: String, plugin: String, dataClass: UInt64, in value: inout ProtocolBuffer) {
    value.text(1, tag)
    value.message(9) {
      $0.message(1) { $0.text(1, plugin) }
      $0.varint(4, dataClass)
    }
  }

  private func shape(_ extents: [Int], in tensor: inout ProtocolBuffer) {
    tensor.message(2) { for extent in extents { $0.message(2) { $0.varint(1, UInt64(extent)) } } }
  }

  // MARK: Records

  private func append(step: Int, _ fill: (inout ProtocolBuffer) -> Void) throws {
    try file?.append(
      Self.record(at: time()) { event in
        event.varint(2, UInt64(max(step, 0)))
        fill(&event)
      })
  }

  private static func record(at time: Double, _ fill: (inout ProtocolBuffer) -> Void) -> Data {
    var event = ProtocolBuffer()
    event.fixed(1, time)
    fill(&event)
    var length = Data()
    length.append(UInt64(event.bytes.count))
    var record = length
    record.append(CRC32C(length).masked)
    record.append(event.bytes)
    record.append(CRC32C(event.bytes).masked)
    return record
  }

  /// The first record of a file.
  private static func head(at time: Double) -> Data { record(at: time) { $0.text(3, "brain.Event:2") } }

  /// Whether writing ended within the first record, so that nothing is lost with the file.
  private static func isTornHead(_ data: Data) -> Bool {
    var reader = ByteReader(data)
    // In front of the time are the length, its checksum, and the field's key.
    let time = reader.data(13).flatMap { _ in reader.double() }
    let head = head(at: time ?? 0)
    return data.count < head.count && head.starts(with: time == nil ? data.prefix(13) : data)
  }

  /// Where the whole records up to a step end, and whether what follows is none.
  private static func end(of data: Data, after step: Int) -> (end: Int, isBroken: Bool) {
    var reader = ByteReader(data)
    var end = 0
    while reader.left > 0 {
      guard let event = event(&reader) else { return (end, true) }
      if self.step(of: event) > UInt64(max(step, 0)) { break }
      end = reader.offset
    }
    return (end, false)
  }

  /// The next record's event, where that is whole.
  private static func event(_ reader: inout ByteReader) -> Data? {
    guard let length = reader.data(8), reader.integer(UInt32.self) == CRC32C(length).masked,
      let count = ByteReader.number(length), let event = reader.data(count),
      reader.integer(UInt32.self) == CRC32C(event).masked
    else { return nil }
    return event
  }

  /// Whether a whole record of the step, or of one before it, lies anywhere behind a byte.
  private static func hasStep(upTo step: Int, in data: Data, from start: Int) -> Bool {
    data.withUnsafeBytes { bytes in
      // A forged file may look like a long record at every byte; such a one is worth keeping.
      var patience = 4 * bytes.count
      for offset in start..<max(start, bytes.count - 15) {
        let count = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
        guard count <= UInt64(bytes.count - offset - 16) else { continue }
        func sum(at place: Int) -> UInt32 {
          bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self).littleEndian
        }
        guard CRC32C(bytes[offset..<offset + 8]).masked == sum(at: offset + 8) else { continue }
        let event = bytes[offset + 12..<offset + 12 + Int(count)]
        patience -= event.count
        guard patience >= 0 else { return true }
        guard CRC32C(event).masked == sum(at: event.endIndex) else { continue }
        return self.step(of: Data(event)) <= UInt64(max(step, 0))
      }
      return false
    }
  }

  /// The second field, behind the time; 0 where there is none.
  private static func step(of event: Data) -> UInt64 {
    var reader = ByteReader(event)
    guard reader.integer(UInt8.self) == 1 << 3 | 1, reader.data(8) != nil, reader.integer(UInt8.self) == 2 << 3 else {
      return 0
    }
    var (step, shift) = (UInt64(0), UInt64(0))
    while shift < 64, let byte = reader.integer(UInt8.self) {
      step |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { break }
      shift += 7
    }
    return step
  }
}

extension ByteReader {
  fileprivate static func number(_ length: Data) -> Int? {
    var reader = ByteReader(length)
    return reader.integer(UInt64.self).flatMap { Int(exactly: $0) }
  }
}

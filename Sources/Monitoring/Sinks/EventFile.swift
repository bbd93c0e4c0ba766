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

  public init(_ path: String, time: @escaping () -> Double = { Date().timeIntervalSince1970 }) {
    (self.path, self.time) = (path, time)
  }

  /// Goes on behind the last whole record of the step, or of one before it.
  public func begin(after step: Int) throws {
    file = nil
    try Folder.make(URL(fileURLWithPath: path).deletingLastPathComponent().path)
    let before = access(path, F_OK) == 0 ? try RegularFile.read(path) : Data()
    let end = Self.end(of: before, after: step)
    guard end > 0 || before.isEmpty else { throw SinkFormatError(description: "\(path) is no event file") }
    file = try RecordFile(path, keeping: end)
    if end == 0 { try append { $0.text(3, "brain.Event:2") } }
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

  private func append(step: Int? = nil, _ fill: (inout ProtocolBuffer) -> Void) throws {
    var event = ProtocolBuffer()
    event.fixed(1, time())
    if let step { event.varint(2, UInt64(max(step, 0))) }
    fill(&event)
    var length = Data()
    length.append(UInt64(event.bytes.count))
    var record = length
    record.append(CRC32C(length).masked)
    record.append(event.bytes)
    record.append(CRC32C(event.bytes).masked)
    try file?.append(record)
  }

  /// Where the whole records up to a step end.
  private static func end(of data: Data, after step: Int) -> Int {
    var reader = ByteReader(data)
    var end = 0
    while let length = reader.data(8), reader.integer(UInt32.self) == CRC32C(length).masked,
      let count = ByteReader.number(length), let event = reader.data(count),
      reader.integer(UInt32.self) == CRC32C(event).masked, self.step(of: event) <= UInt64(max(step, 0))
    { end = reader.offset }
    return end
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

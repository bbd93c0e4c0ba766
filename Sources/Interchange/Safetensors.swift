import Foundation

/// The safetensors format: eight bytes with the length of a JSON header, the header (padded with spaces to eight
/// bytes), then the tensors' bytes. `__metadata__` holds texts by name.
public struct Safetensors: Sendable {
  public struct Tensor: Hashable, Sendable {
    public var name: String
    /// The format's word: `F32`, `F64`, `I64` …
    public var type: String
    public var shape: [Int]
    public var bytes: Data

    public init(name: String, type: String = "F32", shape: [Int], bytes: Data) {
      (self.name, self.type, self.shape, self.bytes) = (name, type, shape, bytes)
    }
  }

  public struct FormatError: Error, Hashable, Sendable, CustomStringConvertible {
    public var description: String
    public init(description: String) { self.description = description }
  }

  public var tensors: [Tensor]
  public var metadata: [String: String]

  public init(_ tensors: [Tensor], metadata: [String: String] = [:]) {
    (self.tensors, self.metadata) = (tensors, metadata)
  }

  /// Bytes of an element, by the format's words.
  static let byteCounts = [
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U64": 8, "I32": 4, "U32": 4, "I16": 2, "U16": 2, "I8": 1,
    "U8": 1,
    "BOOL": 1,
  ]

  /// How many elements a shape has; nil where it has a negative extent, or more bytes than a number counts.
  static func elementCount(_ shape: [Int], of elementSize: Int = 8) -> Int? {
    var byteCount = elementSize
    for extent in shape {
      // Also of an empty tensor: whoever multiplies in another order must not overflow.
      let (product, overflows) = byteCount.multipliedReportingOverflow(by: max(extent, 1))
      guard extent >= 0, !overflows else { return nil }
      byteCount = product
    }
    return shape.contains(0) ? 0 : byteCount / elementSize
  }

  /// What the header of a file says of a tensor.
  package struct Entry: Sendable {
    package var name: String
    package var type: String
    package var shape: [Int]
    /// Behind the header.
    package var start, end: Int
    /// What type and shape need.
    fileprivate var byteCount: Int

    fileprivate init(_ value: Any, of name: String) throws(FormatError) {
      guard let fields = value as? [String: Any], let type = fields["dtype"] as? String,
        let shape = fields["shape"] as? [Int], let offsets = fields["data_offsets"] as? [Int], offsets.count == 2,
        0 <= offsets[0], offsets[0] <= offsets[1]
      else { throw FormatError(description: "\(name) has no type, shape or place in the header") }
      guard let elementSize = Safetensors.byteCounts[type] else {
        throw FormatError(description: "\(name) is of the unknown type \(type)")
      }
      guard let count = Safetensors.elementCount(shape, of: elementSize) else {
        throw FormatError(description: "\(name) has no shape: \(shape)")
      }
      let byteCount = count * elementSize
      (self.name, self.type, self.shape, self.byteCount) = (name, type, shape, byteCount)
      (start, end) = (offsets[0], offsets[1])
    }
  }

  /// The file's bytes; tensors in order of their names.
  public func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var parts = ["\"__metadata__\":" + String(decoding: try encoder.encode(metadata), as: UTF8.self)]
    var offset = 0
    let ordered = tensors.sorted { $0.name < $1.name }
    for tensor in ordered {
      let words = try [tensor.name, tensor.type].map { String(decoding: try encoder.encode($0), as: UTF8.self) }
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      parts.append(
        "\(words[0]):{\"data_offsets\":[\(offset),\(offset + tensor.bytes.count)],\"dtype\":\(words[1]),"
          + "\"shape\":[\(shape)]}")
      offset += tensor.bytes.count
    }
    var header = Data(("{" + parts.joined(separator: ",") + "}").utf8)
    while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
    var data = Data(capacity: 8 + header.count + offset)
    withUnsafeBytes(of: UInt64(header.count).littleEndian) { data.append(contentsOf: $0) }
    data.append(header)
    for tensor in ordered { data.append(tensor.bytes) }
    return data
  }

  /// Reads a file's bytes; whatever does not fit together is an error in words.
  public init(decoding data: Data) throws {
    let length = try Self.headerLength(data.prefix(8), fileByteCount: data.count)
    let body = data.dropFirst(8 + length)
    let (metadata, entries) = try Self.header(data.dropFirst(8).prefix(length), bodyByteCount: body.count)
    self.metadata = metadata
    tensors = entries.map { entry in
      let bytes = Data(body[body.startIndex + entry.start..<body.startIndex + entry.end])
      return Tensor(name: entry.name, type: entry.type, shape: entry.shape, bytes: bytes)
    }
  }

  /// Maps a file: its tensors are parts of it, which are read when somebody looks at them (`MappedFile`).
  package init(mapping path: String) throws {
    let file = try MappedFile(path)
    let length = try Self.headerLength(file.data(0..<min(8, file.count)), fileByteCount: file.count)
    let start = 8 + length
    let (metadata, entries) = try Self.header(file.data(8..<start), bodyByteCount: file.count - start)
    self.metadata = metadata
    tensors = entries.map { entry in
      let bytes = file.data(start + entry.start..<start + entry.end)
      // A header of any length may put numbers where no processor reads them at once.
      let isAligned = (start + entry.start) % 8 == 0
      return Tensor(
        name: entry.name, type: entry.type, shape: entry.shape,
        bytes: isAligned ? bytes : bytes.withUnsafeBytes { Data($0) })
    }
  }

  /// How long the header of a file is that begins with these eight bytes.
  package static func headerLength(_ start: Data, fileByteCount: Int) throws(FormatError) -> Int {
    guard start.count == 8 else { throw FormatError(description: "the file ends inside its first eight bytes") }
    let length = start.enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) }
    guard length <= UInt64(fileByteCount - 8), length <= 100 << 20 else {
      throw FormatError(description: "the header should be \(length) bytes, but the file has \(fileByteCount)")
    }
    return Int(length)
  }

  /// What a header says, its tensors in the order of the file; the bytes behind it are theirs to the last.
  package static func header(
    _ json: Data, bodyByteCount: Int
  ) throws(FormatError) -> (metadata: [String: String], entries: [Entry]) {
    guard let header = try? JSONSerialization.jsonObject(with: json) as? [String: Any] else {
      throw FormatError(description: "the header is no JSON object")
    }
    var entries: [Entry] = []
    for (name, value) in header where name != "__metadata__" { entries.append(try Entry(value, of: name)) }
    entries.sort { ($0.start, $0.name) < ($1.start, $1.name) }
    var end = 0
    for entry in entries {
      guard entry.start == end, entry.end <= bodyByteCount, entry.end - entry.start == entry.byteCount else {
        throw FormatError(
          description: "\(entry.name) does not lie where its header says (\(entry.start), \(entry.end))")
      }
      end = entry.end
    }
    guard end == bodyByteCount else {
      throw FormatError(description: "\(bodyByteCount - end) bytes follow the last tensor")
    }
    return (header["__metadata__"] as? [String: String] ?? [:], entries)
  }
}

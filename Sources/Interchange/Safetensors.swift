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

  private struct Entry: Codable {
    var dtype: String
    var shape: [Int]
    var offsets: [Int]

    private enum CodingKeys: String, CodingKey {
      case dtype, shape
      case offsets = "data_offsets"
    }
  }

  private static let byteCounts = ["F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1]

  /// The file's bytes; tensors in order of their names.
  public func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var parts = ["\"__metadata__\":" + String(decoding: try encoder.encode(metadata), as: UTF8.self)]
    var offset = 0
    let ordered = tensors.sorted { $0.name < $1.name }
    for tensor in ordered {
      let entry = Entry(
        dtype: tensor.type, shape: tensor.shape, offsets: [offset, offset + tensor.bytes.count])
      offset += tensor.bytes.count
      let name = String(decoding: try encoder.encode(tensor.name), as: UTF8.self)
      parts.append(name + ":" + String(decoding: try encoder.encode(entry), as: UTF8.self))
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
    guard data.count >= 8 else { throw FormatError(description: "the file ends inside its first eight bytes") }
    let length = data.prefix(8).enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * UInt64($1.offset)) }
    guard length <= UInt64(data.count - 8), length <= 100 << 20 else {
      throw FormatError(description: "the header should be \(length) bytes, but the file has \(data.count)")
    }
    let body = data.dropFirst(8 + Int(length))
    guard
      let header = try? JSONSerialization.jsonObject(with: data.dropFirst(8).prefix(Int(length))) as? [String: Any]
    else { throw FormatError(description: "the header is no JSON object") }
    metadata = header["__metadata__"] as? [String: String] ?? [:]
    tensors = []
    var end = 0
    let entries = try header.filter { $0.key != "__metadata__" }.map { name, value in
      (name, try JSONDecoder().decode(Entry.self, from: JSONSerialization.data(withJSONObject: value)))
    }
    for (name, entry) in entries.sorted(by: {
      ($0.1.offsets.first ?? 0, $0.0) < ($1.1.offsets.first ?? 0, $1.0)
    }) {
      guard let size = Self.byteCounts[entry.dtype], entry.shape.allSatisfy({ $0 >= 0 && $0 < 1 << 40 }),
        entry.offsets.count == 2, entry.offsets[0] == end,
        entry.offsets[1] >= end,
        entry.offsets[1] - end
          == entry.shape.reduce(size, { $0.multipliedReportingOverflow(by: $1).partialValue }),
        entry.offsets[1] <= body.count
      else { throw FormatError(description: "\(name) does not lie where its header says (\(entry.offsets))") }
      let start = body.startIndex + end
      end = entry.offsets[1]
      tensors.append(
        Tensor(name: name, type: entry.dtype, shape: entry.shape, bytes: Data(body[start..<body.startIndex + end])))
    }
    guard end == body.count else { throw FormatError(description: "\(body.count - end) bytes follow the last tensor") }
  }
}

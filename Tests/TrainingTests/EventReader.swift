import Foundation

/// Reads event files of TensorBoard by their description alone: frames, checksums bit by bit, fields.
struct EventReader {
  struct Malformed: Error { var words: String }

  /// By tag and step.
  private(set) var scalars: [String: [Int: Double]] = [:]
  /// Rows of left, right, count.
  private(set) var histograms: [String: [Int: [[Double]]]] = [:]
  private(set) var texts: [String: [Int: String]] = [:]
  /// What plugin each tag is of.
  private(set) var plugins: [String: String] = [:]
  private(set) var version = ""

  init(_ path: String) throws { try self.init([UInt8](Data(contentsOf: URL(fileURLWithPath: path)))) }

  init(_ bytes: [UInt8]) throws {
    var place = 0
    func take(_ count: Int) throws -> [UInt8] {
      guard count >= 0, count <= bytes.count - place else { throw Malformed(words: "torn at \(place)") }
      place += count
      return Array(bytes[place - count..<place])
    }
    while place < bytes.count {
      let length = try take(8)
      guard Self.masked(length) == Self.number(try take(4)) else { throw Malformed(words: "length") }
      let event = try take(Int(Self.number(length)))
      guard Self.masked(event) == Self.number(try take(4)) else { throw Malformed(words: "event") }
      try read(Fields(event))
    }
  }

  private mutating func read(_ event: Fields) throws {
    let step = Int(event.numbers[2]?.first ?? 0)
    if let text = event.parts[3]?.first { version = String(decoding: text, as: UTF8.self) }
    for value in try event.message(5)?.parts[1]?.map({ try Fields($0) }) ?? [] {
      let tag = String(decoding: value.parts[1]?.first ?? [], as: UTF8.self)
      if let plugin = try value.message(9)?.message(1)?.parts[1]?.first {
        plugins[tag] = String(decoding: plugin, as: UTF8.self)
      }
      guard let tensor = try value.message(8) else { throw Malformed(words: "no tensor") }
      let extents = try tensor.message(2)?.parts[2]?.map { Int(try Fields($0).numbers[1]?.first ?? 0) } ?? []
      switch tensor.numbers[1]?.first {
      case 1:
        guard extents == [], let bytes = tensor.parts[5]?.first, bytes.count == 4 else { throw Malformed(words: tag) }
        scalars[tag, default: [:]][step] = Double(Float(bitPattern: UInt32(Self.number(bytes))))
      case 2:
        guard extents.count == 2, extents[1] == 3, let bytes = tensor.parts[4]?.first,
          bytes.count == 24 * extents[0]
        else { throw Malformed(words: tag) }
        histograms[tag, default: [:]][step] = stride(from: 0, to: bytes.count, by: 24).map { start in
          (0..<3).map { Double(bitPattern: Self.number(Array(bytes[start + 8 * $0..<start + 8 * $0 + 8]))) }
        }
      case 7:
        guard extents == [1], let text = tensor.parts[8]?.first else { throw Malformed(words: tag) }
        texts[tag, default: [:]][step] = String(decoding: text, as: UTF8.self)
      default: throw Malformed(words: tag)
      }
    }
  }

  private static func number(_ bytes: [UInt8]) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

  private static func masked(_ bytes: [UInt8]) -> UInt64 {
    var sum = UInt32.max
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0x82F6_3B78 : sum >> 1 }
    }
    return UInt64((~sum >> 15 | ~sum << 17) &+ 0xA282_EAD8)
  }

  /// A message's fields by their numbers.
  private struct Fields {
    var numbers: [UInt64: [UInt64]] = [:]
    var parts: [UInt64: [[UInt8]]] = [:]

    init(_ bytes: [UInt8]) throws {
      var place = 0
      func varint() throws -> UInt64 {
        var (value, shift) = (UInt64(0), UInt64(0))
        while place < bytes.count, shift < 64 {
          value |= UInt64(bytes[place] & 0x7F) << shift
          place += 1
          if bytes[place - 1] < 0x80 { return value }
          shift += 7
        }
        throw Malformed(words: "varint")
      }
      func take(_ count: UInt64) throws -> [UInt8] {
        guard count <= UInt64(bytes.count - place) else { throw Malformed(words: "field") }
        place += Int(count)
        return Array(bytes[place - Int(count)..<place])
      }
      while place < bytes.count {
        let key = try varint()
        switch key & 7 {
        case 0: numbers[key >> 3, default: []].append(try varint())
        case 1: numbers[key >> 3, default: []].append(EventReader.number(try take(8)))
        case 2: parts[key >> 3, default: []].append(try take(varint()))
        default: throw Malformed(words: "wire type \(key & 7)")
        }
      }
    }

    func message(_ field: UInt64) throws -> Fields? { try parts[field]?.first.map { try Fields($0) } }
  }
}

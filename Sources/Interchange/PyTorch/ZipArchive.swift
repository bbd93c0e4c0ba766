import Foundation

/// The entries of a zip archive that are stored as they are (PKWARE's APPNOTE 6.3, with its 64-bit records): what
/// `torch.save` writes. Nothing is unpacked, so an entry is a part of the file.
struct ZipArchive {
  struct Entry {
    var name: String
    var range: Range<Int>
    var checksum: UInt32
  }

  let entries: [Entry]
  private let bytes: Data

  private static let (endMark, end64Mark, locator64Mark) = (
    UInt64(0x0605_4B50), UInt64(0x0606_4B50), UInt64(0x0706_4B50)
  )
  private static let (entryMark, fileMark) = (UInt64(0x0201_4B50), UInt64(0x0403_4B50))

  init(_ bytes: Data) throws(Safetensors.FormatError) {
    self.bytes = bytes
    let reader = ByteReader(bytes)
    guard let end = Self.end(of: reader) else {
      throw Safetensors.FormatError(description: "it is no zip archive, or its end is missing")
    }
    var (count, place) = (Int(reader.number(end + 10, 2) ?? 0), Int(reader.number(end + 16, 4) ?? 0))
    if end >= 20, reader.number(end - 20, 4) == Self.locator64Mark {
      guard let end64 = reader.offset(end - 12), reader.number(end64, 4) == Self.end64Mark,
        let count64 = reader.offset(end64 + 32), let place64 = reader.offset(end64 + 48)
      else { throw Safetensors.FormatError(description: "the archive's end says no place in it") }
      (count, place) = (count64, place64)
    }
    var (entries, names, total) = ([Entry](), Set<String>(), 0)
    for _ in 0..<count {
      let entry = try Self.entry(at: &place, reader)
      guard names.insert(entry.name).inserted else {
        throw Safetensors.FormatError(description: "the archive has two entries \(entry.name)")
      }
      total += entry.range.count
      // Entries on top of each other would make much of a short file.
      guard total <= bytes.count else { throw Safetensors.FormatError(description: "the archive's entries overlap") }
      entries.append(entry)
    }
    self.entries = entries
  }

  func entry(endingWith ending: String) -> Entry? { entries.first { $0.name.hasSuffix(ending) } }

  /// An entry's bytes, proved by its checksum.
  func data(of entry: Entry) throws(Safetensors.FormatError) -> Data {
    let data = bytes[bytes.startIndex + entry.range.lowerBound..<bytes.startIndex + entry.range.upperBound]
    guard CRC32.of(data) == entry.checksum else {
      throw Safetensors.FormatError(description: "\(entry.name) is damaged: its checksum does not fit its bytes")
    }
    return data
  }

  /// The record at the end, in front of a comment of at most 65,535 bytes.
  private static func end(of reader: ByteReader) -> Int? {
    guard reader.count >= 22 else { return nil }
    let last = reader.count - 22
    return stride(from: last, through: max(0, last - 65_535), by: -1).first { reader.number($0, 4) == endMark }
  }

  /// What the directory says of an entry, and where its bytes lie; moves on to the next.
  private static func entry(at place: inout Int, _ reader: ByteReader) throws(Safetensors.FormatError) -> Entry {
    guard reader.number(place, 4) == entryMark, let flags = reader.number(place + 8, 2),
      let method = reader.number(place + 10, 2), let checksum = reader.number(place + 16, 4),
      var packed = reader.number(place + 20, 4), var size = reader.number(place + 24, 4),
      let nameLength = reader.number(place + 28, 2), let extraLength = reader.number(place + 30, 2),
      let commentLength = reader.number(place + 32, 2), var header = reader.number(place + 42, 4),
      let name = reader.text(place + 46, Int(nameLength))
    else { throw Safetensors.FormatError(description: "the archive's directory is broken") }
    // Sizes of 64 bits stand in a field of their own, each where the short one is full.
    var extra = place + 46 + Int(nameLength)
    let extraEnd = extra + Int(extraLength)
    while extra + 4 <= extraEnd, let kind = reader.number(extra, 2), let length = reader.number(extra + 2, 2) {
      if kind == 1 {
        var field = extra + 4
        func wide(_ value: UInt64) -> UInt64 {
          guard value == 0xFFFF_FFFF, field + 8 <= extraEnd, let found = reader.number(field, 8) else { return value }
          field += 8
          return found
        }
        size = wide(size)
        packed = wide(packed)
        header = wide(header)
      }
      extra += 4 + Int(length)
    }
    guard method == 0, packed == size, flags & 1 == 0 else {
      throw Safetensors.FormatError(
        description: "\(name) is packed or encrypted, and torch.save stores tensors as they are")
    }
    guard let local = Int(exactly: header), reader.number(local, 4) == fileMark,
      let localName = reader.number(local + 26, 2), let localExtra = reader.number(local + 28, 2),
      let count = Int(exactly: size), case let start = local + 30 + Int(localName) + Int(localExtra),
      start <= reader.count, count <= reader.count - start
    else { throw Safetensors.FormatError(description: "\(name) does not lie in the archive") }
    place = extraEnd + Int(commentLength)
    return Entry(name: name, range: start..<start + count, checksum: UInt32(checksum))
  }
}

/// Little-endian numbers of bytes, nil where there are none.
struct ByteReader {
  private let bytes: Data
  var count: Int { bytes.count }

  init(_ bytes: Data) { self.bytes = bytes }

  func number(_ place: Int, _ width: Int) -> UInt64? {
    guard place >= 0, width <= bytes.count, place <= bytes.count - width else { return nil }
    var number: UInt64 = 0
    for index in 0..<width { number |= UInt64(bytes[bytes.startIndex + place + index]) << UInt64(8 * index) }
    return number
  }

  /// Eight bytes that are a place in the file.
  func offset(_ place: Int) -> Int? { number(place, 8).flatMap(Int.init(exactly:)).flatMap { $0 <= count ? $0 : nil } }

  func text(_ place: Int, _ length: Int) -> String? {
    guard place >= 0, length >= 0, length <= bytes.count, place <= bytes.count - length else { return nil }
    return String(validating: bytes[bytes.startIndex + place..<bytes.startIndex + place + length], as: UTF8.self)
  }
}

/// The checksum of zip archives: the polynomial of IEEE 802.3, reflected.
enum CRC32 {
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
  }

  static func of(_ data: Data) -> UInt32 {
    let table = table
    return data.withUnsafeBytes { bytes in
      ~bytes.reduce(~UInt32(0)) { $0 >> 8 ^ table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] }
    }
  }
}

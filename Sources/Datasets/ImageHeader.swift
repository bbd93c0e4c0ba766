/// What the first bytes of an image file say of its picture, before any of it is decoded.
struct ImageHeader: Hashable, Sendable {
  enum Kind: String { case png = "PNG", jpeg = "JPEG", netpbm = "PGM or PPM" }

  let kind: Kind
  /// As the file has them, before the picture is turned.
  private(set) var width = 0
  private(set) var height = 0
  private(set) var orientation = ImageOrientation.upright
  /// Whether it has opacity: a PNG with an alpha channel or a transparent color.
  private(set) var hasOpacity = false
  /// Whether it has four inks (CMYK or YCCK) instead of red, green and blue.
  private(set) var hasInks = false
  /// Whether it has colors.
  private(set) var hasColors = true
  /// Whether Adobe's marker is in it, whose inks are inverted.
  private(set) var isAdobe = false
  /// Whether it is of a kind that not every decoder knows, so that only decoding tells if it can be read.
  private(set) var isUnusual = false
  /// Bytes that the file must have at the least.
  private(set) var byteCount = 0

  var changes: Image.Changes {
    var changes: Image.Changes = orientation == .upright ? [] : .turned
    if hasOpacity { changes.insert(.flattened) }
    if hasInks { changes.insert(.inksConverted) }
    return changes
  }

  /// Nil where the bytes are no image, or end before its header does.
  init?(_ bytes: [UInt8]) {
    guard let kind = Self.kind(of: bytes) else { return nil }
    self.kind = kind
    let isRead =
      switch kind {
      case .png: readPNG(bytes)
      case .jpeg: readJPEG(bytes)
      case .netpbm: readNetpbm(bytes)
      }
    guard isRead, width > 0, height > 0, width <= Image.maximumPixels / height else { return nil }
  }

  static func kind(of bytes: [UInt8]) -> Kind? {
    if bytes.starts(with: [0x89, 0x50, 0x4e, 0x47]) { return .png }
    if bytes.starts(with: [0xff, 0xd8]) { return .jpeg }
    if bytes.count >= 2, bytes[0] == UInt8(ascii: "P"), (0x31...0x37).contains(bytes[1]) { return .netpbm }
    return nil
  }

  // MARK: PNG

  /// Chunks to the end of what there is; see www.w3.org/TR/png-3.
  private mutating func readPNG(_ bytes: [UInt8]) -> Bool {
    var position = 8
    var hasPixels = false
    while let length = bytes[from: position].number(at: 0, 4), let type = bytes[from: position].number(at: 4, 4) {
      let body = bytes[from: position + 8].prefix(length)
      switch type {
      case 0x4948_4452:  // IHDR
        guard position == 8, length == 13, body.count == 13, let color = body.number(at: 9, 1) else { return false }
        (width, height) = (body.number(at: 0, 4) ?? 0, body.number(at: 4, 4) ?? 0)
        (hasOpacity, hasColors) = (color & 4 != 0, color & 2 != 0)
      case 0x7452_4e53: hasOpacity = true  // tRNS
      case 0x6558_4966: orientation = ImageOrientation(tiff: body) ?? orientation  // eXIf
      case 0x4944_4154: hasPixels = true  // IDAT
      default: break
      }
      position += 12 + length
    }
    return hasPixels
  }

  // MARK: JPEG

  /// Segments up to the first scan; see ITU-T T.81, annex B, and for Exif CIPA DC-008, 4.5.
  private mutating func readJPEG(_ bytes: [UInt8]) -> Bool {
    var hasExif = false
    var segments = JPEGSegments(bytes)
    while let (marker, body) = segments.next() {
      switch marker {
      case 0xda: return width > 0
      case 0xd9: return false
      case 0xe1 where body.starts(with: Array("Exif\0\0".utf8)) && !hasExif:
        hasExif = true
        orientation = ImageOrientation(tiff: body.dropFirst(6)) ?? .upright
      case 0xee where body.count >= 12 && body.starts(with: Array("Adobe".utf8)): isAdobe = true
      case 0xc0...0xcf where ![0xc4, 0xc8, 0xcc].contains(marker):
        guard let precision = body.number(at: 0, 1), let colors = body.number(at: 5, 1) else { return false }
        (height, width) = (body.number(at: 1, 2) ?? 0, body.number(at: 3, 2) ?? 0)
        (hasInks, hasColors) = (colors == 4, colors > 1)
        isUnusual = marker > 0xc2 || precision != 8 || ![1, 3, 4].contains(colors)
      default: break
      }
    }
    return false
  }

  // MARK: PGM and PPM

  private mutating func readNetpbm(_ bytes: [UInt8]) -> Bool {
    var reader = NetpbmReader(bytes: bytes, path: "")
    // Where the bytes end with the header, its last number may be cut.
    guard let head = try? reader.head(), reader.position < bytes.count else { return false }
    (width, height, byteCount) = (head.width, head.height, reader.position + head.byteCount)
    hasColors = head.channels == 3
    return true
  }
}

/// The segments of a JPEG file, in order; what is between them (and so a scan's pixels) is passed over.
struct JPEGSegments: IteratorProtocol {
  private let bytes: [UInt8]
  private var position = 2

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// A marker's second byte, and what belongs to it; nil at the end of the bytes, or where a segment ends beyond it.
  mutating func next() -> (marker: UInt8, body: ArraySlice<UInt8>)? {
    while position < bytes.count {
      while position < bytes.count, bytes[position] != 0xff { position += 1 }
      while position < bytes.count, bytes[position] == 0xff { position += 1 }
      guard position < bytes.count else { return nil }
      let marker = bytes[position]
      position += 1
      switch marker {
      // A pixel's byte of 255; markers without a length.
      case 0x00, 0x01, 0xd0...0xd8: continue
      case 0xd9: return (marker, [])
      default:
        guard let length = bytes[from: position].number(at: 0, 2), length >= 2, position + length <= bytes.count else {
          return nil
        }
        defer { position += length }
        return (marker, bytes[position + 2..<position + length])
      }
    }
    return nil
  }

  /// Whether the file has an end: what ends before it lacks a part of its picture.
  static func haveEnd(_ bytes: [UInt8]) -> Bool {
    var segments = JPEGSegments(bytes)
    while let (marker, _) = segments.next() {
      if marker == 0xd9 { return true }
    }
    return false
  }
}

extension [UInt8] {
  /// What lies from there on; empty beyond the end.
  subscript(from start: Int) -> ArraySlice<UInt8> { self[Swift.min(Swift.max(start, 0), count)...] }
}

extension ArraySlice<UInt8> {
  /// The number in `size` bytes (at most 7) from `offset` on; nil where they are not all there.
  func number(at offset: Int, _ size: Int, isBigEndian: Bool = true) -> Int? {
    guard offset >= 0, offset <= count - size else { return nil }
    let bytes = self[startIndex + offset..<startIndex + offset + size]
    return isBigEndian
      ? bytes.reduce(0) { $0 << 8 | Int($1) } : bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
  }
}

extension Image {
  /// Whether a file begins as a picture does, of a kind that is read or of a known one that is not. Only regular files are
  /// looked at.
  package static func isPicture(at path: String) -> Bool {
    guard let bytes = ImageCheck.beginning(of: path) else { return false }
    return switch ImageHeader.kind(of: bytes) {
    case .png, .jpeg: true
    // A table may begin with a column P1.
    case .netpbm: ImageHeader(bytes) != nil
    case nil: ForeignImage(bytes) != nil
    }
  }
}

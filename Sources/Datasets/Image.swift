import SwitchbackImageFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A picture in memory: `[height, width, channels]` bytes, gray (1) or red, green and blue (3).
public struct Image: Sendable {
  public let width: Int
  public let height: Int
  public let channels: Int
  public let pixels: [UInt8]
  /// What was done to the file's picture to get this one.
  public let changes: Changes
  /// What is wrong with the file, though its picture could be read; nil: nothing.
  public let warning: String?

  public struct Changes: OptionSet, Hashable, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// It was turned or mirrored as the file's Exif orientation says.
    public static let turned = Changes(rawValue: 1)
    /// It has opacity, and was put on white.
    public static let flattened = Changes(rawValue: 2)
    /// It has four inks (CMYK or YCCK), and was made red, green and blue.
    public static let inksConverted = Changes(rawValue: 4)
  }

  /// Endings of the files that can be read.
  public static let endings = ["png", "jpg", "jpeg", "pgm", "ppm", "pnm"]
  /// Whether this build reads PNG, JPEG and gzip; without the package trait ImageFiles it does not.
  public static var readsCompressedFiles: Bool { switchback_has_image_files() != 0 }
  /// More than any camera makes; a header that says more is a broken or hostile file.
  static let maximumPixels = 1 << 28

  package init(
    width: Int, height: Int, channels: Int, pixels: [UInt8], changes: Changes = [], warning: String? = nil
  ) {
    (self.width, self.height, self.channels, self.pixels) = (width, height, channels, pixels)
    (self.changes, self.warning) = (changes, warning)
  }

  /// Reads a PNG, JPEG, PGM or PPM file, which its first bytes tell apart: upright, as Exif's orientation has it, on
  /// white where it is transparent, as red, green and blue where it has four inks. A file that is cut off is an error;
  /// lesser faults are a warning.
  public init(path: String) throws(DatasetError) {
    try self.init(bytes: try FileBytes.read(path, advice: "no picture can be unpacked from it"), path: path)
  }

  /// Decodes a file's bytes; `path` is what errors call it.
  public init(bytes: [UInt8], path: String) throws(DatasetError) {
    // Where our look at the header finds none, the decoder has the better words for it.
    let header = ImageHeader(bytes)
    switch ImageHeader.kind(of: bytes) {
    case .png:
      self = try Self.decoded(bytes, path, header, .png) { switchback_decode_png($0, $1, $2, $3, $4) }
    case .jpeg:
      let areInksInverted: Int32 = header?.isAdobe == true ? 1 : 0
      self = try Self.decoded(bytes, path, header, .jpeg) {
        switchback_decode_jpeg($0, $1, $2, areInksInverted, $3, $4)
      }
      guard warning == nil || JPEGSegments.haveEnd(bytes) else {
        throw DatasetError(
          .corrupt, "\(path) cannot be read as JPEG: it is cut off, and a part of the picture is missing")
      }
    case .netpbm:
      var reader = NetpbmReader(bytes: bytes, path: path)
      self = try reader.image()
    case nil:
      if let other = ForeignImage(bytes) { throw DatasetError(.corrupt, "\(path) \(other.words)") }
      throw DatasetError(
        .corrupt,
        bytes.isEmpty
          ? "\(path) is empty, and so no PNG, JPEG, PGM or PPM file"
          : "\(path) is no PNG, JPEG, PGM or PPM file: it begins with \(FileBytes.beginning(of: bytes))")
    }
  }

  private typealias Decoder = (
    UnsafePointer<UInt8>?, UInt64, UInt64, UnsafeMutablePointer<switchback_image>?, UnsafeMutablePointer<CChar>?
  ) -> Int32

  private static func decoded(
    _ bytes: [UInt8], _ path: String, _ header: ImageHeader?, _ kind: ImageHeader.Kind, _ decoder: Decoder
  ) throws(DatasetError) -> Image {
    // No compression of PNG or JPEG puts more into a byte (deflate 1032 bytes of eight pixels each).
    if let header, header.width * header.height > 8300 * bytes.count {
      throw DatasetError(
        .corrupt,
        "\(path) cannot be read as \(kind.rawValue): it is to have \(header.width) × \(header.height) pixels, which "
          + "\(bytes.count) bytes cannot hold")
    }
    var image = switchback_image()
    var message = [CChar](repeating: 0, count: 256)
    let result = decoder(bytes, UInt64(bytes.count), UInt64(maximumPixels), &image, &message)
    let words = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    guard result >= 0 else {
      throw DatasetError(.corrupt, "\(path) cannot be read as \(kind.rawValue): \(words)")
    }
    defer { free(image.pixels) }
    let count = Int(image.width) * Int(image.height) * Int(image.channels)
    let stored = Image(
      width: Int(image.width), height: Int(image.height), channels: Int(image.channels),
      pixels: Array(UnsafeBufferPointer(start: image.pixels, count: count)), changes: header?.changes ?? [],
      warning: result == 0 ? nil : words)
    return stored.turned(from: header?.orientation ?? .upright)
  }

  /// As gray (1, by the weights of ITU-R BT.601) or as red, green and blue (3).
  public func converted(channels wanted: Int) -> Image {
    guard wanted != channels else { return self }
    var result = [UInt8]()
    result.reserveCapacity(width * height * wanted)
    if wanted == 1 {
      for p in stride(from: 0, to: pixels.count, by: 3) {
        let (red, green, blue) = (Int(pixels[p]), Int(pixels[p + 1]), Int(pixels[p + 2]))
        // 0.299, 0.587 and 0.114 of 2¹⁶, which add up to it.
        result.append(UInt8((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16))
      }
    } else {
      for value in pixels { for _ in 0..<3 { result.append(value) } }
    }
    return Image(width: width, height: height, channels: wanted, pixels: result, changes: changes, warning: warning)
  }

  /// Dark made bright, and bright dark.
  package var inverted: Image {
    Image(
      width: width, height: height, channels: channels, pixels: pixels.map { 255 - $0 }, changes: changes,
      warning: warning)
  }
}

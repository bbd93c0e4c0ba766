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

  /// Endings of the files that can be read.
  public static let endings = ["png", "jpg", "jpeg", "pgm", "ppm", "pnm"]
  /// Whether this build reads PNG, JPEG and gzip; without the package trait ImageFiles it does not.
  public static var readsCompressedFiles: Bool { switchback_has_image_files() != 0 }
  /// More than any camera makes; a header that says more is a broken or hostile file.
  static let maximumPixels = 1 << 28

  init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
    (self.width, self.height, self.channels, self.pixels) = (width, height, channels, pixels)
  }

  /// Reads a PNG, JPEG, PGM or PPM file, which its first bytes tell apart. Transparent parts become white.
  public init(path: String) throws(DatasetError) { try self.init(bytes: try FileBytes.read(path), path: path) }

  /// Decodes a file's bytes; `path` is what errors call it.
  public init(bytes: [UInt8], path: String) throws(DatasetError) {
    if bytes.starts(with: [0x89, 0x50, 0x4e, 0x47]) {
      self = try Self.decode(bytes, path, "PNG", switchback_decode_png)
    } else if bytes.starts(with: [0xff, 0xd8]) {
      self = try Self.decode(bytes, path, "JPEG", switchback_decode_jpeg)
    } else if bytes.count >= 2, bytes[0] == UInt8(ascii: "P"), (0x31...0x37).contains(bytes[1]) {
      var reader = NetpbmReader(bytes: bytes, path: path)
      self = try reader.image()
    } else {
      throw DatasetError(
        .corrupt, "\(path) is no PNG, JPEG, PGM or PPM file: it begins with \(bytes.prefix(4).map { $0 })")
    }
  }

  private typealias Decoder = (
    UnsafePointer<UInt8>?, UInt64, UInt64, UnsafeMutablePointer<switchback_image>?, UnsafeMutablePointer<CChar>?
  ) -> Int32

  private static func decode(
    _ bytes: [UInt8], _ path: String, _ kind: String, _ decoder: Decoder
  ) throws(DatasetError) -> Image {
    var image = switchback_image()
    var message = [CChar](repeating: 0, count: 256)
    guard decoder(bytes, UInt64(bytes.count), UInt64(maximumPixels), &image, &message) == 0 else {
      let words = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      throw DatasetError(.corrupt, "\(path) cannot be read as \(kind): \(String(decoding: words, as: UTF8.self))")
    }
    defer { free(image.pixels) }
    let count = Int(image.width) * Int(image.height) * Int(image.channels)
    return Image(
      width: Int(image.width), height: Int(image.height), channels: Int(image.channels),
      pixels: Array(UnsafeBufferPointer(start: image.pixels, count: count)))
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
    return Image(width: width, height: height, channels: wanted, pixels: result)
  }
}

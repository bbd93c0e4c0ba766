/// PGM and PPM files, as text (P2, P3) and as bytes (P5, P6); see netpbm.sourceforge.net/doc/pgm.html.
struct NetpbmReader {
  let bytes: [UInt8]
  let path: String
  /// The first byte that is not read yet.
  private(set) var position = 2

  init(bytes: [UInt8], path: String) { (self.bytes, self.path) = (bytes, path) }

  /// What stands before the pixels.
  struct Head {
    /// The digit of P2, P3, P5 or P6.
    var form: Int
    var width: Int
    var height: Int
    var maximum: Int

    var channels: Int { form == 2 || form == 5 ? 1 : 3 }
    var valueCount: Int { width * height * channels }
    /// Bytes that the pixels take at the least: a value of text takes two characters.
    var byteCount: Int { form <= 3 ? 2 * valueCount - 1 : valueCount * (maximum > 255 ? 2 : 1) }
  }

  mutating func head() throws(DatasetError) -> Head {
    let form = Int(bytes[1]) - 0x30
    guard [2, 3, 5, 6].contains(form) else {
      throw DatasetError(.invalid, "\(path) is a P\(form) file; only P2, P3, P5 and P6 are read")
    }
    let (width, height, maximum) = (try number(), try number(), try number())
    guard width > 0, height > 0, width <= Image.maximumPixels / height, (1...65535).contains(maximum) else {
      throw corrupt("it says it has \(width) x \(height) pixels with values up to \(maximum)")
    }
    if form > 3 { position += 1 }
    return Head(form: form, width: width, height: height, maximum: maximum)
  }

  mutating func image() throws(DatasetError) -> Image {
    let head = try head()
    let (width, height, maximum, size) = (head.width, head.height, head.maximum, head.byteCount)
    // A hostile size is refused before memory is taken for it.
    guard bytes.count - position >= size else {
      throw corrupt("\(width) x \(height) pixels take \(size) bytes, and it has \(max(0, bytes.count - position))")
    }
    var pixels = [UInt8]()
    pixels.reserveCapacity(head.valueCount)
    for _ in 0..<head.valueCount {
      let value: Int
      if head.form <= 3 {
        value = try number()
      } else if maximum > 255 {
        value = Int(bytes[position]) << 8 | Int(bytes[position + 1])
        position += 2
      } else {
        value = Int(bytes[position])
        position += 1
      }
      guard value <= maximum else { throw corrupt("value \(value) is above its maximum \(maximum)") }
      pixels.append(maximum == 255 ? UInt8(value) : UInt8((value * 255 + maximum / 2) / maximum))
    }
    return Image(width: width, height: height, channels: head.channels, pixels: pixels)
  }

  /// The next number; before it white space and comments.
  private mutating func number() throws(DatasetError) -> Int {
    while position < bytes.count {
      if bytes[position] == UInt8(ascii: "#") {
        while position < bytes.count, bytes[position] != 10, bytes[position] != 13 { position += 1 }
      } else if [9, 10, 11, 12, 13, 32].contains(bytes[position]) {
        position += 1
      } else {
        break
      }
    }
    let start = position
    var value = 0
    while position < bytes.count, (0x30...0x39).contains(bytes[position]), value <= 1 << 30 {
      value = value * 10 + Int(bytes[position]) - 0x30
      position += 1
    }
    guard position > start, value <= 1 << 30 else {
      throw corrupt(position < bytes.count ? "there is no number at byte \(start)" : "it ends too early")
    }
    return value
  }

  private func corrupt(_ words: String) -> DatasetError {
    DatasetError(.corrupt, "\(path) cannot be read as PGM or PPM: \(words)")
  }
}

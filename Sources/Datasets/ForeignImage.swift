/// Formats of pictures that are known, and not read.
enum ForeignImage: String, CaseIterable {
  case webP = "WebP"
  case gif = "GIF"
  case bmp = "BMP"
  case tiff = "TIFF"
  case heif = "HEIF or AVIF"

  /// By a file's first bytes.
  init?(_ bytes: [UInt8]) {
    func begins(_ text: String, at offset: Int = 0) -> Bool { bytes[from: offset].starts(with: text.utf8) }
    let heifs = ["heic", "heix", "heif", "mif1", "msf1", "avif"]
    if begins("RIFF"), begins("WEBP", at: 8) {
      self = .webP
    } else if begins("GIF87a") || begins("GIF89a") {
      self = .gif
    } else if begins("BM"), bytes[from: 6].prefix(4).allSatisfy({ $0 == 0 }), bytes.count >= 26 {
      self = .bmp
    } else if begins("II*\0") || begins("MM\0*") {
      self = .tiff
    } else if begins("ftyp", at: 4), heifs.contains(where: { begins($0, at: 8) }) {
      self = .heif
    } else {
      return nil
    }
  }

  /// By a file's name.
  init?(named name: String) {
    guard let dot = name.lastIndex(of: ".") else { return nil }
    switch name[name.index(after: dot)...].lowercased() {
    case "webp": self = .webP
    case "gif": self = .gif
    case "bmp", "dib": self = .bmp
    case "tif", "tiff": self = .tiff
    case "heic", "heif", "avif": self = .heif
    default: return nil
    }
  }

  /// What is said of such a file, behind its path.
  var words: String {
    "is \(rawValue), which is not read: convert it to PNG or JPEG (ImageMagick's mogrify -format png does so for many)"
  }
}

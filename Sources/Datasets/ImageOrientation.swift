/// How a stored picture lies, as Exif numbers it: where its first row and its first column are.
enum ImageOrientation: Int, Sendable {
  case upright = 1
  case mirrored, upsideDown, flipped, transposed, turnedLeft, transversed, turnedRight

  /// From Exif's data, which are a TIFF file; nil where they do not say (CIPA DC-008, 4.6.5: tag 274 of the first
  /// directory).
  init?(tiff: ArraySlice<UInt8>) {
    guard let order = tiff.number(at: 0, 2), order == 0x4949 || order == 0x4d4d else { return nil }
    func number(_ offset: Int, _ size: Int) -> Int? { tiff.number(at: offset, size, isBigEndian: order == 0x4d4d) }
    guard number(2, 2) == 42, let directory = number(4, 4), let count = number(directory, 2) else { return nil }
    for entry in 0..<count {
      let start = directory + 2 + 12 * entry
      guard let tag = number(start, 2), let type = number(start + 2, 2) else { return nil }
      guard tag == 274 else { continue }
      // A number of two bytes; some programs write four.
      guard type == 3 || type == 4, let value = number(start + 8, type == 3 ? 2 : 4) else { return nil }
      self.init(rawValue: value)
      return
    }
    return nil
  }

  /// Whether rows become columns.
  var swapsAxes: Bool { rawValue >= 5 }
}

extension Image {
  /// The picture as it is to be seen.
  func turned(from orientation: ImageOrientation) -> Image {
    guard orientation != .upright else { return self }
    let (right, down) = (width - 1, (height - 1) * width)
    // In pixels: where the upper left one comes from, and how far its neighbours to the right and below are from it.
    let (start, column, row) =
      switch orientation {
      case .upright: (0, 1, width)
      case .mirrored: (right, -1, width)
      case .upsideDown: (down + right, -1, -width)
      case .flipped: (down, 1, -width)
      case .transposed: (0, width, 1)
      case .turnedLeft: (down, -width, 1)
      case .transversed: (down + right, -width, -1)
      case .turnedRight: (right, width, -1)
      }
    let (newWidth, newHeight) = orientation.swapsAxes ? (height, width) : (width, height)
    let result = [UInt8](unsafeUninitializedCapacity: pixels.count) { result, count in
      pixels.withUnsafeBufferPointer { pixels in
        var target = 0
        for y in 0..<newHeight {
          for x in 0..<newWidth {
            let source = (start + y * row + x * column) * channels
            for channel in 0..<channels { result[target + channel] = pixels[source + channel] }
            target += channels
          }
        }
      }
      count = pixels.count
    }
    return Image(
      width: newWidth, height: newHeight, channels: channels, pixels: result, changes: changes, warning: warning)
  }
}

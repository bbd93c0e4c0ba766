extension Image {
  /// Writes the image as `[height, width, channels]` numbers 0…1, resized where its size is another: on an axis that
  /// shrinks each new pixel is the mean over the area it covers, on one that grows it lies on the line between its two
  /// neighbours.
  public func write(
    to target: UnsafeMutablePointer<Float>, height newHeight: Int, width newWidth: Int, channels newChannels: Int
  ) {
    let image = converted(channels: newChannels)
    if (newHeight, newWidth) == (height, width) {
      for (e, value) in image.pixels.enumerated() { target[e] = Float(value) * Field.pixelScale }
    } else {
      image.resize(to: target, height: newHeight, width: newWidth, scale: Field.pixelScale)
    }
  }

  /// The same as bytes, each the nearest.
  public func write(
    to target: UnsafeMutablePointer<UInt8>, height newHeight: Int, width newWidth: Int, channels newChannels: Int
  ) {
    let image = converted(channels: newChannels)
    if (newHeight, newWidth) == (height, width) {
      for (e, value) in image.pixels.enumerated() { target[e] = value }
      return
    }
    var numbers = [Float](repeating: 0, count: newHeight * newWidth * newChannels)
    image.resize(to: &numbers, height: newHeight, width: newWidth, scale: 1)
    for (e, number) in numbers.enumerated() { target[e] = UInt8(min(max(number.rounded(), 0), 255)) }
  }

  /// Writes the resized image, its bytes times `scale`.
  private func resize(
    to target: UnsafeMutablePointer<Float>, height newHeight: Int, width newWidth: Int, scale: Float
  ) {
    let rowLength = newWidth * channels
    // Rows first, each to the new width; then the rows of the result are sums of those.
    var narrow = [Float](repeating: 0, count: height * rowLength)
    for (x, tap) in Self.taps(from: width, to: newWidth).enumerated() {
      for y in 0..<height {
        for channel in 0..<channels {
          var sum: Float = 0
          for (offset, weight) in tap.weights.enumerated() {
            sum += weight * Float(pixels[(y * width + tap.start + offset) * channels + channel])
          }
          narrow[y * rowLength + x * channels + channel] = sum * scale
        }
      }
    }
    for (y, tap) in Self.taps(from: height, to: newHeight).enumerated() {
      for e in 0..<rowLength {
        var sum: Float = 0
        for (offset, weight) in tap.weights.enumerated() {
          sum += weight * narrow[(tap.start + offset) * rowLength + e]
        }
        target[y * rowLength + e] = sum
      }
    }
  }

  /// Which old pixels make up a new one, and their shares.
  private struct Tap {
    var start: Int
    var weights: [Float]
  }

  private static func taps(from old: Int, to new: Int) -> [Tap] {
    let scale = Double(old) / Double(new)
    return (0..<new).map { index in
      if new <= old {
        let (low, high) = (Double(index) * scale, min(Double(index + 1) * scale, Double(old)))
        let start = Int(low)
        let end = min(old, max(start + 1, Int(high.rounded(.up))))
        return Tap(
          start: start,
          weights: (start..<end).map { Float(max(0, min(Double($0 + 1), high) - max(Double($0), low)) / scale) })
      }
      // Centres of pixels lie at halves; beyond the outer centres the border goes on.
      let centre = min(max((Double(index) + 0.5) * scale - 0.5, 0), Double(old - 1))
      let start = min(Int(centre), max(old - 2, 0))
      let share = Float(centre - Double(start))
      return Tap(start: start, weights: old == 1 ? [1] : [1 - share, share])
    }
  }
}

extension Image {
  /// Writes the image as `[height, width, channels]` numbers 0…1, resized where its size is another: on an axis that
  /// shrinks each new pixel is the mean over the area it covers, on one that grows it lies on the line between its two
  /// neighbours.
  public func write(
    to target: UnsafeMutablePointer<Float>, height newHeight: Int, width newWidth: Int, channels newChannels: Int,
    fit: Fit = .stretch
  ) {
    let image = converted(channels: newChannels)
    if (newHeight, newWidth) == (height, width) {
      for (e, value) in image.pixels.enumerated() { target[e] = Float(value) * Field.pixelScale }
    } else {
      image.resize(to: target, height: newHeight, width: newWidth, fit, scale: Field.pixelScale)
    }
  }

  /// The same as bytes, each the nearest.
  public func write(
    to target: UnsafeMutablePointer<UInt8>, height newHeight: Int, width newWidth: Int, channels newChannels: Int,
    fit: Fit = .stretch
  ) {
    let image = converted(channels: newChannels)
    if (newHeight, newWidth) == (height, width) {
      for (e, value) in image.pixels.enumerated() { target[e] = value }
      return
    }
    var numbers = [Float](repeating: 0, count: newHeight * newWidth * newChannels)
    image.resize(to: &numbers, height: newHeight, width: newWidth, fit, scale: 1)
    for (e, number) in numbers.enumerated() { target[e] = UInt8(min(max(number.rounded(), 0), 255)) }
  }

  /// Writes the resized image, its bytes times `scale`.
  private func resize(
    to target: UnsafeMutablePointer<Float>, height newHeight: Int, width newWidth: Int, _ fit: Fit, scale: Float
  ) {
    let (columns, rows) = ResizedAxis.pair((width, height), (newWidth, newHeight), fit)
    let rowLength = newWidth * channels
    // Rows first, each to the new width; then the rows of the result are sums of those.
    var narrow = [Float](repeating: 0, count: height * rowLength)
    for (x, tap) in zip(columns.range, columns.taps) {
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
    if rows.range.count < newHeight { for e in 0..<newHeight * rowLength { target[e] = 0 } }
    for (y, tap) in zip(rows.range, rows.taps) {
      for e in 0..<rowLength {
        var sum: Float = 0
        for (offset, weight) in tap.weights.enumerated() {
          sum += weight * narrow[(tap.start + offset) * rowLength + e]
        }
        target[y * rowLength + e] = sum
      }
    }
  }
}

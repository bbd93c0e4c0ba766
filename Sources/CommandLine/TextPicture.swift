/// A picture in characters: the brighter, the denser.
package struct TextPicture {
  let values: [Float]
  let (height, width, channels): (Int, Int, Int)
  private static let ramp = Array(" .:-=+*#%@")

  /// `values` [height, width, channels], from 0 to 1.
  package init(_ values: [Float], height: Int, width: Int, channels: Int) {
    (self.values, self.height, self.width, self.channels) = (values, height, width, channels)
  }

  /// Two characters a pixel, since a cell of a terminal is about twice as high as wide; where `columns` have no room for
  /// them, means of square blocks of pixels.
  package func lines(columns: Int) -> [String] {
    let most = max(columns / 2, 1)
    let block = max(1, (width + most - 1) / most)
    return stride(from: 0, to: height, by: block).map { row in
      stride(from: 0, to: width, by: block).map { column in
        let brightness = mean(row..<min(row + block, height), column..<min(column + block, width))
        return String(repeating: Self.ramp[min(max(Int(brightness * 9), 0), 9)], count: 2)
      }.joined()
    }
  }

  private func mean(_ rows: Range<Int>, _ columns: Range<Int>) -> Float {
    var sum: Float = 0
    for row in rows {
      let start = (row * width + columns.lowerBound) * channels
      sum += values[start..<start + columns.count * channels].reduce(0, +)
    }
    let mean = sum / Float(max(rows.count * columns.count * channels, 1))
    return mean.isFinite ? mean : 0
  }
}

extension Image {
  /// How a picture gets the size that a network reads.
  public enum Fit: String, Hashable, Sendable, Codable, CaseIterable {
    /// Each axis by itself: another shape is distorted.
    case stretch
    /// Scaled so that it covers the size; of what is too long the middle stays.
    case crop
    /// Scaled so that it lies inside, in the middle of zeros; of an odd rest the end has one more.
    case pad
  }
}

/// What one axis of a resized picture is made of.
struct ResizedAxis {
  /// Where in the old pixels it begins, and how many of them make a new one.
  private var low = 0.0
  private let scale: Double
  private let oldCount: Int
  /// The new pixels that are made; all others are zeros.
  let range: Range<Int>

  private init(low: Double = 0, scale: Double, oldCount: Int, range: Range<Int>) {
    (self.low, self.scale, self.oldCount, self.range) = (low, scale, oldCount, range)
  }

  /// The whole axis becomes the new one.
  private init(_ oldCount: Int, _ newCount: Int) {
    self.init(scale: Double(oldCount) / Double(newCount), oldCount: oldCount, range: 0..<newCount)
  }

  /// The axes `x` and `y` of a picture of the size `old` that gets the size `new`.
  static func pair(
    _ old: (width: Int, height: Int), _ new: (width: Int, height: Int), _ fit: Image.Fit
  ) -> (x: ResizedAxis, y: ResizedAxis) {
    var (x, y) = (ResizedAxis(old.width, new.width), ResizedAxis(old.height, new.height))
    let isWider = old.width * new.height > old.height * new.width
    switch (fit, isWider) {
    case (.stretch, _): break
    case (.crop, true): x.cut(toScale: y.scale)
    case (.crop, false): y.cut(toScale: x.scale)
    case (.pad, true): y.shrink(toScale: x.scale)
    case (.pad, false): x.shrink(toScale: y.scale)
    }
    return (x, y)
  }

  /// Takes the middle of what is there at that scale.
  private mutating func cut(toScale scale: Double) {
    let low = max(0, (Double(oldCount) - scale * Double(range.count)) / 2)
    self = ResizedAxis(low: low, scale: scale, oldCount: oldCount, range: range)
  }

  /// Puts all of it at about that scale into the middle.
  private mutating func shrink(toScale scale: Double) {
    let count = min(max(1, Int((Double(oldCount) / scale).rounded())), range.count)
    let start = (range.count - count) / 2
    self = ResizedAxis(scale: Double(oldCount) / Double(count), oldCount: oldCount, range: start..<start + count)
  }

  /// Which old pixels make up a new one, and their shares.
  struct Tap {
    var start: Int
    var weights: [Float]
  }

  /// One for each pixel of `range`: where the axis shrinks the area that it covers, where it grows its two neighbours.
  var taps: [Tap] {
    (0..<range.count).map { index in
      if scale >= 1 {
        let from = low + Double(index) * scale
        let to = min(low + Double(index + 1) * scale, Double(oldCount))
        let start = min(Int(from), oldCount - 1)
        let end = min(oldCount, max(start + 1, Int(to.rounded(.up))))
        return Tap(
          start: start,
          weights: (start..<end).map { Float(max(0, min(Double($0 + 1), to) - max(Double($0), from)) / scale) })
      }
      // Centres of pixels lie at halves; beyond the outer centres the border goes on.
      let centre = min(max(low + (Double(index) + 0.5) * scale - 0.5, 0), Double(oldCount - 1))
      let start = min(Int(centre), max(oldCount - 2, 0))
      let share = Float(centre - Double(start))
      return Tap(start: start, weights: oldCount == 1 ? [1] : [1 - share, share])
    }
  }
}

import Foundation

/// A chart of lines as SVG, for the report: no script, readable in light and dark.
struct LineChart {
  struct Line {
    var name: String
    /// Position on the horizontal axis and value; what is not finite leaves a gap.
    var points: [(x: Double, y: Double)]
    /// The CSS class that colours it: `one`, `two`.
    var style: String
    var hasDots = false
  }

  var title: String
  var lines: [Line]
  /// Powers of ten on the vertical axis: losses span decades.
  var isLogarithmic = false
  /// The horizontal axis counts whole things: no tick lies between two.
  var isCounted = false

  private static let (width, height, left, right, top, bottom) = (640.0, 260.0, 56.0, 12.0, 30.0, 28.0)
  /// No screen shows more points than this across.
  private static let mostPoints = 600
  /// Beyond, distances are no numbers.
  private static let largest = 1e300

  /// The least distance that ticks between two numbers can show.
  private static func resolution(_ low: Double, _ high: Double) -> Double { max(abs(low), abs(high)) * 1e-12 }

  var svg: String {
    let shown = lines.map { line in
      var line = line
      line.points = line.points.filter { abs($0.y) < Self.largest && (!isLogarithmic || $0.y > 0) }
      return line
    }
    let all = shown.flatMap(\.points)
    guard let first = all.first else { return "" }
    var (lowX, highX, lowY, highY) = (first.x, first.x, scaled(first.y), scaled(first.y))
    for point in all {
      (lowX, highX) = (min(lowX, point.x), max(highX, point.x))
      (lowY, highY) = (min(lowY, scaled(point.y)), max(highY, scaled(point.y)))
    }
    if highX - lowX <= Self.resolution(lowX, highX) { highX += max(1, abs(highX) / 1000) }
    if highY - lowY < max(1e-9, Self.resolution(lowY, highY)) {
      let margin = max(0.5, abs(highY) / 1000)
      (lowY, highY) = (lowY - margin, highY + margin)
    }
    func place(_ x: Double, _ y: Double) -> (Double, Double) {
      (
        Self.left + (x - lowX) / (highX - lowX) * (Self.width - Self.left - Self.right),
        Self.height - Self.bottom - (y - lowY) / (highY - lowY) * (Self.height - Self.top - Self.bottom)
      )
    }
    var parts = ["<text class=\"title\" x=\"\(Self.left)\" y=\"16\">\(title.htmlEscaped)</text>"]
    for tick in isLogarithmic ? Self.logarithmicTicks(lowY, highY) : Self.ticks(lowY, highY) {
      let (_, y) = place(lowX, tick)
      let value = isLogarithmic ? pow(10, tick) : tick
      parts.append(
        "<line class=\"grid\" x1=\"\(Self.left)\" x2=\"\(Self.width - Self.right)\" y1=\"\(y)\" y2=\"\(y)\"/>")
      parts.append(
        "<text class=\"tick\" text-anchor=\"end\" x=\"\(Self.left - 6)\" y=\"\(y + 4)\">\(value.short)</text>")
    }
    for tick in Self.ticks(lowX, highX, least: isCounted ? 1 : 0) {
      let (x, _) = place(tick, lowY)
      parts.append(
        "<text class=\"tick\" text-anchor=\"middle\" x=\"\(x)\" y=\"\(Self.height - 8)\">\(tick.short)</text>")
    }
    var legend = Self.width - Self.right
    for line in shown.reversed() where !line.points.isEmpty {
      let thinned = Self.thinned(line.points)
      let path = thinned.map { point in
        let (x, y) = place(point.x, scaled(point.y))
        return "\(x.tenth),\(y.tenth)"
      }
      parts.append("<polyline class=\"\(line.style)\" points=\"\(path.joined(separator: " "))\"/>")
      if line.hasDots {
        for point in thinned {
          let (x, y) = place(point.x, scaled(point.y))
          parts.append("<circle class=\"\(line.style)\" cx=\"\(x.tenth)\" cy=\"\(y.tenth)\" r=\"3\"/>")
        }
      }
      parts.append(
        "<text class=\"\(line.style)\" text-anchor=\"end\" x=\"\(legend)\" y=\"16\">\(line.name.htmlEscaped)</text>")
      legend -= Double(line.name.count) * 7 + 16
    }
    return "<svg viewBox=\"0 0 \(Self.width) \(Self.height)\" role=\"img\">\(parts.joined())</svg>"
  }

  private func scaled(_ value: Double) -> Double { isLogarithmic ? log10(value) : value }

  /// Means of neighbours, where there are more points than a screen shows.
  private static func thinned(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
    let share = (points.count + mostPoints - 1) / mostPoints
    guard share > 1 else { return points }
    return stride(from: 0, to: points.count, by: share).map { start in
      let group = points[start..<min(start + share, points.count)]
      return (group.last!.x, group.reduce(0) { $0 + $1.y } / Double(group.count))
    }
  }

  /// The logarithms of 1, 2 and 5 times powers of ten between the bounds; over many decades of the powers alone; where
  /// that leaves fewer than three, those of round numbers between them.
  static func logarithmicTicks(_ low: Double, _ high: Double) -> [Double] {
    let factors = high - low > 3 ? [1.0] : [1.0, 2, 5]
    let powers = stride(from: floor(low), through: ceil(high), by: max(1, ((high - low) / 8).rounded()))
    let found = powers.flatMap { power in factors.map { power + log10($0) } }.filter { low <= $0 && $0 <= high }
    return found.count >= 3 ? found : ticks(pow(10, low), pow(10, high)).filter { $0 > 0 }.map { log10($0) }
  }

  /// About five round numbers between the bounds, at least `least` apart.
  static func ticks(_ low: Double, _ high: Double, least: Double = 0) -> [Double] {
    let rough = max((high - low) / 5, least)
    let power = pow(10, floor(log10(rough)))
    let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough } ?? power
    guard step > 0, step.isFinite else { return [] }
    return stride(from: (low / step).rounded(.up) * step, through: high, by: step).map { $0 }
  }
}

extension String {
  var htmlEscaped: String {
    replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
      .replacingOccurrences(of: ">", with: "&gt;").replacingOccurrences(of: "\"", with: "&quot;")
  }
}

extension Double {
  /// Three digits: `0.123`, `15200`, `1.2e+10`.
  var short: String {
    let size = abs(self)
    if size < 1e-12 { return "0" }
    return size >= 1e5 || size < 1e-3 ? String(format: "%.1e", self) : String(format: "%.4g", self)
  }

  /// `15200`; of a number from a file, which may be too large for an `Int` or none at all.
  package var whole: String { String(format: "%.0f", rounded(.down)) }

  var tenth: String { String(format: "%.1f", self) }
}

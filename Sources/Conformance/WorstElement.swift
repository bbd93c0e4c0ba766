import SwitchbackPrograms

/// Where a result is furthest from what it should be: what whoever looks for the fault looks at first.
struct WorstElement {
  var element: Int
  var found: Double
  var expected: Double
  var difference: Double

  /// Nil where all agree. Of equal differences the first.
  init?(_ found: [Double], _ expected: [Double]) {
    var worst: WorstElement?
    for (element, pair) in zip(found, expected).enumerated() where pair.0 != pair.1 && !(pair.0.isNaN && pair.1.isNaN) {
      let difference = (pair.0 - pair.1).isNaN ? Double.infinity : abs(pair.0 - pair.1)
      guard difference > worst?.difference ?? -1 else { continue }
      worst = WorstElement(element: element, found: pair.0, expected: pair.1, difference: difference)
    }
    guard let worst else { return nil }
    self = worst
  }

  private init(element: Int, found: Double, expected: Double, difference: Double) {
    (self.element, self.found, self.expected, self.difference) = (element, found, expected, difference)
  }

  /// `[0, 2, 5]`: the element's place in a tensor of this shape; `[]` of a scalar.
  static func place(of element: Int, in shape: Shape) -> String {
    var (rest, indices) = (element, [Int]())
    for length in shape.extents.reversed() where length > 0 {
      indices.append(rest % length)
      rest /= length
    }
    return "\(Array(indices.reversed()))"
  }
}

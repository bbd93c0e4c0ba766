import SwitchbackPrograms

/// The numbers of one `statistics` operation.
public struct TensorStatistics: Hashable, Sendable {
  public var count: Double
  public var mean: Double
  /// Sum of squared deviations from the mean.
  public var m2: Double
  public var min: Double
  public var max: Double
  public var absMax: Double
  public var l2: Double
  public var zeros: Double
  public var nans: Double
  public var infinities: Double
  /// How many finite elements that are not 0 have each binary exponent, from `Statistics.firstExponent` on; empty where the
  /// probe does not count them.
  public var exponents: [Double] = []

  /// From the operation's result, in the order of `Statistics.Field`.
  public init(_ values: UnsafeBufferPointer<Double>) {
    func field(_ field: Statistics.Field) -> Double { values[field.rawValue] }
    count = field(.count)
    mean = field(.mean)
    m2 = field(.m2)
    min = field(.min)
    max = field(.max)
    absMax = field(.absMax)
    l2 = field(.l2)
    zeros = field(.zeros)
    nans = field(.nans)
    infinities = field(.infinities)
    exponents = Array(values.dropFirst(Statistics.Field.allCases.count))
  }

  public init(
    count: Double, l2: Double, absMax: Double = 0, zeros: Double = 0, nans: Double = 0, infinities: Double = 0
  ) {
    (self.count, self.l2, self.absMax, self.zeros) = (count, l2, absMax, zeros)
    (self.nans, self.infinities) = (nans, infinities)
    (mean, m2, min, max) = (0, 0, -absMax, absMax)
  }

  /// The same over log₁₀|x|, from the first to the last exponent that there is. The ends hold what lies beyond them as well.
  public var decadeBins: [(left: Double, right: Double, count: Double)] {
    guard let first = exponents.firstIndex(where: { $0 > 0 }), let last = exponents.lastIndex(where: { $0 > 0 }) else {
      return []
    }
    let decades = 0.30102999566398120  // log₁₀ 2
    return (first...last).map { bin in
      let exponent = Double(bin + Statistics.firstExponent)
      return (exponent * decades, (exponent + 1) * decades, exponents[bin])
    }
  }

  public var isFinite: Bool { nans == 0 && infinities == 0 && l2.isFinite }
}

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
  }

  public init(
    count: Double, l2: Double, absMax: Double = 0, zeros: Double = 0, nans: Double = 0, infinities: Double = 0
  ) {
    (self.count, self.l2, self.absMax, self.zeros) = (count, l2, absMax, zeros)
    (self.nans, self.infinities) = (nans, infinities)
    (mean, m2, min, max) = (0, 0, -absMax, absMax)
  }

  public var isFinite: Bool { nans == 0 && infinities == 0 && l2.isFinite }
}

/// Of the samples that are of a class or that it was predicted for, the share of which both are true; the mean over the
/// classes that have such a sample (the Jaccard index).
public struct MeanIntersectionOverUnion: ClassShare {
  static let word = "mean_io_u"
  static let help = "What is rightly of a class by all that is or was taken for it; the mean over classes"
  var totals = ClassTotals()

  public init() {}

  static func share(_ right: Double, of actual: Double, _ predicted: Double) -> Double {
    right / (actual + predicted - right)
  }
}

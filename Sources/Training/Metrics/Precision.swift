/// Of the samples that a class was predicted for, the share that is of it; the mean over the classes that some sample has or
/// was taken for. Of a class that was predicted for none it is 0.
public struct Precision: ClassShare {
  static let word = "precision"
  static let help = "Of what was taken for a class the share that is of it; the mean over classes"
  var totals = ClassTotals()

  public init() {}

  static func share(_ right: Double, of actual: Double, _ predicted: Double) -> Double {
    predicted > 0 ? right / predicted : 0
  }
}

/// Of the samples of a class, the share that it was predicted for; the mean over the classes that some sample has or was
/// taken for. Of a class without a sample it is 0.
public struct Recall: ClassShare {
  static let word = "recall"
  static let help = "Of what is of a class the share that was taken for it; the mean over classes"
  var totals = ClassTotals()

  public init() {}

  static func share(_ right: Double, of actual: Double, _ predicted: Double) -> Double {
    actual > 0 ? right / actual : 0
  }
}

/// 2·precision·recall / (precision + recall) of each class; the mean over the classes that some sample has or was taken for.
public struct F1Score: ClassShare {
  static let word = "f1_score"
  static let help = "The harmonic mean of precision and recall; the mean over classes"
  var totals = ClassTotals()

  public init() {}

  static func share(_ right: Double, of actual: Double, _ predicted: Double) -> Double {
    2 * right / (actual + predicted)
  }
}

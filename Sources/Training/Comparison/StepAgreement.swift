/// Whether the steps of a comparison agree: no loss is too far off, no gradient, and not the median of the gradients.
///
/// What rounding costs the reference itself on the same steps (`Row.roundingDifference`) is the measure. A step by itself is
/// allowed much more than the median: one unit in the last place flips a pooling tie or a gate.
public struct StepAgreement: Sendable, Codable {
  /// So many times what rounding explains is allowed.
  public static let factor = 10.0
  /// What is allowed in any case. The reference adds up in Float64; a right kernel that adds a thousand terms in Float32
  /// is off by some √1000 of its units of 6e-8.
  public static let leastLimit = 2e-6
  /// Of the loss of each step, relative.
  public static let lossLimit = 1e-5
  /// Of the gradient of each step, in relative L2; more where rounding explains more.
  public static let gradientLimit = 1e-2

  /// Relative, of the worst step.
  public var lossDifference = 0.0
  /// Relative L2 of the worst parameter's gradient: the median over the steps, and the worst step's.
  public var medianGradientDifference = 0.0
  public var gradientDifference = 0.0
  /// The median of `Row.roundingDifference`, and over how many steps.
  public var roundingDifference = 0.0
  public var roundingSteps = 0
  /// What the median may be, and the worst step.
  public var limit = leastLimit
  public var stepLimit = gradientLimit

  public init(_ rows: [StepComparison.Row]) {
    // A difference that is no number is the worst of all.
    func sorted(_ numbers: [Double]) -> [Double] { numbers.map { $0.isNaN ? .infinity : $0 }.sorted() }
    let (gradients, rounding) = (sorted(rows.map(\.gradientDifference)), sorted(rows.compactMap(\.roundingDifference)))
    lossDifference = sorted(rows.map(\.lossDifference)).last ?? 0
    medianGradientDifference = gradients.isEmpty ? 0 : gradients[gradients.count / 2]
    gradientDifference = gradients.last ?? 0
    roundingSteps = rounding.count
    roundingDifference = rounding.isEmpty ? 0 : rounding[rounding.count / 2]
    // Where the reference has no numbers itself, it explains nothing.
    if roundingDifference.isFinite { limit = max(Self.factor * roundingDifference, Self.leastLimit) }
    if let worst = rounding.last, worst.isFinite { stepLimit = max(Self.factor * worst, Self.gradientLimit) }
  }

  public var isMedianWithin: Bool { medianGradientDifference <= limit }

  public var agrees: Bool {
    isMedianWithin && lossDifference <= Self.lossLimit && gradientDifference <= stepLimit
  }
}

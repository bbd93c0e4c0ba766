/// How far a correct result may be from the Float64 reference fed with the same inputs.
///
/// A rounded sum of `K` terms errs by about `ε·√K` of its magnitude when the roundings are independent
/// (Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., §2.8); the bounds here are four times that.
public enum ErrorBound: Hashable, Sendable {
  /// Bit for bit: copies, integers, comparisons, random bits.
  case exact
  /// Each element within this many units in the last place of the result (at least of 2⁻¹⁰ of the largest operand or
  /// result).
  case ulps(Double)
  /// Each element within this many units in the last place of the largest operand or result: where small results
  /// are differences of large numbers.
  case ulpsOfLargest(Double)
  /// ‖error‖₂ ≤ 4·ε·√terms · ‖result‖₂ (at least of a sixteenth of the largest operand or result).
  case accumulation(terms: Int)
  /// The same of sums that may cancel: ‖result‖₂ counts as at least `share`·‖operand‖₂, which it would be if the terms had
  /// random signs.
  case sums(terms: Int, share: Double)

  /// For tables.
  package var words: String {
    switch self {
    case .exact: "exact"
    case .ulps(let count): "\(count) ulps"
    case .ulpsOfLargest(let count): "\(count) ulps of the largest"
    case .accumulation, .sums: "4·ε·√K"
    }
  }

  /// The relative L2 error allowed in `elementType`.
  public func relativeTolerance(in elementType: ElementType) -> Double {
    let epsilon: Double =
      switch elementType {
      case .float64: 0x1p-53
      case .float16: 0x1p-11
      case .bfloat16: 0x1p-8
      default: 0x1p-24
      }
    return switch self {
    case .exact: 0
    case .ulps(let count), .ulpsOfLargest(let count): 2 * count * epsilon
    case .accumulation(let terms), .sums(let terms, _): 4 * epsilon * Double(max(terms, 1)).squareRoot()
    }
  }
}

/// What an operation makes of NaN, infinities, denormals, zeros of either sign, ties and kinks.
///
/// `common` holds for every operation; each states what comes of it there. PyTorch has the same law where none of them
/// says otherwise.
public struct SpecialValueLaw: Hashable, Sendable {
  /// How far the law settles the results, and so which numbers conformance asks with (`SpecialValues`).
  public enum Reach: String, Hashable, Sendable, CaseIterable {
    /// Each element, whatever the operands hold: the largest numbers too.
    case everywhere
    /// Each element, for operands whose sums do not overflow in one order of the terms and not in another.
    case sums
    /// Each element, for NaN, kinks and ordinary numbers: an infinity or a denormal cancels in one way to write the
    /// formula and not in another.
    case kinks
    /// Which elements are NaN, for NaN among ordinary numbers.
    case nan
    /// A NaN of the formula is a NaN of the result; other elements may be NaN too: a transform may spread one NaN over
    /// its image.
    case spread
    /// Nothing: the operation has no floating-point operand.
    case none
  }

  public let reach: Reach
  /// What comes of a NaN or an infinity, in one sentence.
  public let nan: String
  /// Who wins a tie, and what the gradient is at a kink; empty: there is neither.
  public let choice: String

  public init(_ reach: Reach, nan: String, choice: String = "") {
    (self.reach, self.nan, self.choice) = (reach, nan, choice)
  }

  /// What holds for every operation.
  public static let common =
    "NaN in, NaN out; ties go to the lowest index, and the first NaN wins; the sign of a zero and the bits of a NaN are "
    + "free; a denormal result may be zero."

  /// For operations that only move elements.
  static let moved = SpecialValueLaw(.everywhere, nan: "every element keeps its value")
  /// For operations without floating-point operands.
  static let unasked = SpecialValueLaw(.none, nan: "no floating-point operand")
}

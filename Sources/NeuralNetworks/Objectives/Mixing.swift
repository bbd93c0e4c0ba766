extension Objective {
  /// The fields of mixed samples (Zhang et al. 2018, section 2), whose loss is (1 − share)·loss(target) + share·loss(partner):
  /// that of the mixed target, where a loss is linear in it as cross entropies are, and with its gradient where it is
  /// quadratic. Right answers are those that agree with the target. Evaluations know no mixture.
  public struct Mixing: Hashable, Sendable {
    /// i32 `[]`: the other class.
    public var partner: String
    /// f32 `[]`.
    public var share: String

    public init(partner: String, share: String) { (self.partner, self.share) = (partner, share) }
  }
}

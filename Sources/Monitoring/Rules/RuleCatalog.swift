/// Every rule, in the order in which findings of one step come. `README.md` beside says what they go by.
public enum RuleCatalog {
  /// With their defaults.
  public static let all = rules()

  /// With the thresholds of a configuration.
  public static func rules(
    _ vanishing: VanishingGradient = VanishingGradient(), _ exploding: ExplodingGradient = ExplodingGradient()
  ) -> [any Rule] {
    [
      vanishing, exploding, DeadUnits(), Saturation(), SymmetricUnits(), ShrinkingWeights(), SmallUpdates(),
      LargeUpdates(),
      AlwaysClipped(),
      InputScale(), LossAtChance(), RisingLoss(), ClassImbalance(), NeverPredicted(), Overfitting(),
      StaleStatistics(), NonFinite(),
    ]
  }
}

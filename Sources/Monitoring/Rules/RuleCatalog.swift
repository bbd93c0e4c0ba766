/// Every rule with its defaults, in the order in which findings of one step come. `README.md` beside says what they go by.
public enum RuleCatalog {
  public static let all: [any Rule] = [
    VanishingGradient(), ExplodingGradient(), DeadUnits(), SmallUpdates(), NonFinite(),
  ]
}

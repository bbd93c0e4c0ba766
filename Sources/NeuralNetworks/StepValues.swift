import SwitchbackPrograms

/// The content of a step value for one run of a program.
public enum StepValue: Hashable, Sendable {
  /// f32 `[]`
  case scalar(Double)
  /// i64 `[2]`
  case key(seed: Int64, counter: Int64)
}

/// Where training stands before a run of a step's program.
public struct StepPosition: Hashable, Sendable {
  /// Updates of the weights so far.
  public var update: Int
  /// Batches seen so far: with gradient accumulation several an update. Random numbers follow it.
  public var batch: Int
  public var seed: Int64
  public var plateau: ReduceOnPlateau?

  public init(update: Int, batch: Int? = nil, seed: Int64, plateau: ReduceOnPlateau? = nil) {
    self.update = update
    self.batch = batch ?? update
    self.seed = seed
    self.plateau = plateau
  }
}

/// Everything that the loop gives a program at each run besides the batch: name → value.
///
/// `learningRate`; `correction` (Adam); `randomKey`; `averageMomentum` (moving average of the weights).
public struct StepValues: Sendable {
  /// The names in the order the program declares them.
  public let names: [String]
  private let recipes: [String: @Sendable (StepPosition) -> StepValue]

  init(_ program: Program, _ recipes: [String: @Sendable (StepPosition) -> StepValue]) throws(ProgramError) {
    names = program.values(.step).map { program.values[$0].name }
    for name in names where recipes[name] == nil {
      throw ProgramError("nobody gives the step value \(name); only randomKey may be asked for by a layer")
    }
    self.recipes = recipes
  }

  public func callAsFunction(_ name: String, at position: StepPosition) -> StepValue? {
    recipes[name].map { $0(position) }
  }

  /// The learning rate that the next update uses, for the log.
  public func learningRate(at position: StepPosition) -> Double {
    guard case .scalar(let rate)? = self("learningRate", at: position) else { return 0 }
    return rate
  }
}

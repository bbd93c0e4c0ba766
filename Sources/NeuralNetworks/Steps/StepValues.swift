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
  public var lowered: LoweredRate?

  public init(
    update: Int, batch: Int? = nil, seed: Int64, plateau: ReduceOnPlateau? = nil, lowered: LoweredRate? = nil
  ) {
    self.update = update
    self.batch = batch ?? update
    self.seed = seed
    self.plateau = plateau
    self.lowered = lowered
  }
}

/// Everything that the loop gives a program at each run besides the batch: name → value.
///
/// `learningRate`; `correction` (Adam); `randomKey`; `averageMomentum` (moving average of the weights).
public struct StepValues: Sendable {
  /// The names in the order the program declares them.
  public let names: [String]
  /// In the order of the names.
  private let recipes: [@Sendable (StepPosition) -> StepValue]
  private let learningRateIndex: Int?

  init(_ program: Program, _ recipes: [String: @Sendable (StepPosition) -> StepValue]) throws(ProgramError) {
    names = program.values(.step).map { program.values[$0].name }
    self.recipes = try names.map { name throws(ProgramError) in
      guard let recipe = recipes[name] else {
        throw ProgramError("nobody gives the step value \(name); only randomKey may be asked for by a layer")
      }
      return recipe
    }
    learningRateIndex = names.firstIndex(of: "learningRate")
  }

  /// The content of the step value `names[index]`.
  public subscript(index: Int, at position: StepPosition) -> StepValue { recipes[index](position) }

  public func callAsFunction(_ name: String, at position: StepPosition) -> StepValue? {
    names.firstIndex(of: name).map { self[$0, at: position] }
  }

  /// All of them as the numbers that the program is given, by name: rates rounded to Float32, keys as two numbers.
  public func numbers(at position: StepPosition) -> [String: [Double]] {
    var numbers: [String: [Double]] = [:]
    for (index, name) in names.enumerated() {
      switch self[index, at: position] {
      case .scalar(let number): numbers[name] = [Double(Float(number))]
      case .key(let seed, let counter): numbers[name] = [Double(seed), Double(counter)]
      }
    }
    return numbers
  }

  /// The learning rate that the next update uses, for the log.
  public func learningRate(at position: StepPosition) -> Double {
    guard let learningRateIndex, case .scalar(let rate) = self[learningRateIndex, at: position] else { return 0 }
    return rate
  }
}

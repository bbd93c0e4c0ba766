import SwitchbackPrograms

/// How weights follow their gradients: a learning rate, and the in-place operation that updates one weight.
///
/// Formulas and defaults are Keras 3's; each optimizer's comment names the place of ε. One exception: where gradients
/// are accumulated, schedules, moving averages and bias corrections count updates; Keras counts batches.
public protocol Optimizer: Sendable {
  /// Keras's word in lowerCamel.
  var name: String { get }
  var learningRate: Schedule { get }
  /// Decoupled: w ← w − learningRate·weightDecay·w before the rest (Loshchilov and Hutter, 2019).
  var weightDecay: Double { get }
  /// Parameters whose name contains one of these words do not decay, such as `["bias"]`. Keras excludes none.
  var weightDecayExclusions: [String] { get }
  /// The operation for one parameter.
  func update(weightDecay: Double) -> any OptimizerUpdate
  /// What a slot of that operation starts with.
  func initialValue(ofSlot slot: String) -> Double
  /// The bias correction for the update numbered from 0, for operations that take one.
  func correction(atUpdate update: Int) -> Double
  /// Its numbers besides the learning rate; `TrainingStep.build` refuses what is out of its range.
  var numbers: [BoundedNumber] { get }
}

extension Optimizer {
  public func initialValue(ofSlot slot: String) -> Double { 0 }
  public func correction(atUpdate update: Int) -> Double { 1 }
  public var numbers: [BoundedNumber] { [] }

  func update(for parameter: Parameter) -> any OptimizerUpdate {
    update(weightDecay: weightDecayExclusions.contains { parameter.name.contains($0) } ? 0 : weightDecay)
  }
}

/// Stochastic gradient descent. No ε.
public struct SGD: Optimizer {
  public var learningRate: Schedule
  public var momentum: Double
  public var nesterov: Bool
  public var weightDecay: Double
  public var weightDecayExclusions: [String]
  public var name: String { "sgd" }
  public var numbers: [BoundedNumber] { Self.settings.numbers(of: self) }

  public init(
    learningRate: Schedule = 0.01, momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0,
    weightDecayExclusions: [String] = []
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.nesterov = nesterov
    self.weightDecay = weightDecay
    self.weightDecayExclusions = weightDecayExclusions
  }

  public func update(weightDecay: Double) -> any OptimizerUpdate {
    SGDUpdate(momentum: momentum, nesterov: nesterov, weightDecay: weightDecay)
  }
}

extension SGD: ConfigurableOptimizer {
  package static let settings = Settings<SGD>(
    "sgd", of: SGD(), help: "Stochastic gradient descent",
    keys: [
      .learningRate(\.learningRate), .weightDecay(\.weightDecay),
      .momentum(\.momentum),
      .bool("nesterov", \.nesterov, help: "Whether the gradient is looked at after the step of momentum (Nesterov)"),
      .weightDecayExclusions(\.weightDecayExclusions),
    ])
}

/// RMSprop. ε inside the root: g/√(v + ε); PyTorch adds it outside. `centered`: of v − a², never below 0.
public struct RMSprop: Optimizer {
  public var learningRate: Schedule
  public var rho: Double
  public var momentum: Double
  public var epsilon: Double
  public var centered: Bool
  public var weightDecay: Double
  public var weightDecayExclusions: [String]
  public var name: String { "rmsprop" }
  public var numbers: [BoundedNumber] { Self.settings.numbers(of: self) }

  public init(
    learningRate: Schedule = 0.001, rho: Double = 0.9, momentum: Double = 0, epsilon: Double = 1e-7,
    centered: Bool = false, weightDecay: Double = 0, weightDecayExclusions: [String] = []
  ) {
    self.learningRate = learningRate
    self.rho = rho
    self.momentum = momentum
    self.epsilon = epsilon
    self.centered = centered
    self.weightDecay = weightDecay
    self.weightDecayExclusions = weightDecayExclusions
  }

  public func update(weightDecay: Double) -> any OptimizerUpdate {
    RMSpropUpdate(rho: rho, momentum: momentum, epsilon: epsilon, centered: centered, weightDecay: weightDecay)
  }
}

extension RMSprop: ConfigurableOptimizer {
  package static let settings = Settings<RMSprop>(
    "rmsprop", of: RMSprop(), help: "Gradients over the root of the running mean of their squares",
    keys: [
      .learningRate(\.learningRate), .weightDecay(\.weightDecay),
      .number("rho", \.rho, in: .kept, help: "What is kept of the running mean of squares"),
      .momentum(\.momentum),
      .epsilon(\.epsilon),
      .bool("centered", \.centered, help: "Whether the variance stands in for the mean of squares"),
      .weightDecayExclusions(\.weightDecayExclusions),
    ])
}

/// Adagrad. ε inside the root: g/√(a + ε); PyTorch adds it outside.
public struct Adagrad: Optimizer {
  public var learningRate: Schedule
  public var initialAccumulatorValue: Double
  public var epsilon: Double
  public var weightDecay: Double
  public var weightDecayExclusions: [String]
  public var name: String { "adagrad" }
  public var numbers: [BoundedNumber] { Self.settings.numbers(of: self) }

  public init(
    learningRate: Schedule = 0.001, initialAccumulatorValue: Double = 0.1, epsilon: Double = 1e-7,
    weightDecay: Double = 0, weightDecayExclusions: [String] = []
  ) {
    self.learningRate = learningRate
    self.initialAccumulatorValue = initialAccumulatorValue
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.weightDecayExclusions = weightDecayExclusions
  }

  public func update(weightDecay: Double) -> any OptimizerUpdate {
    AdagradUpdate(epsilon: epsilon, weightDecay: weightDecay)
  }

  public func initialValue(ofSlot slot: String) -> Double { initialAccumulatorValue }
}

extension Adagrad: ConfigurableOptimizer {
  package static let settings = Settings<Adagrad>(
    "adagrad", of: Adagrad(), help: "Gradients over the root of the sum of all their squares so far",
    keys: [
      .learningRate(\.learningRate), .weightDecay(\.weightDecay),
      .number(
        "initial_accumulator_value", \.initialAccumulatorValue, in: .factor, help: "What the sum of squares starts with"
      ),
      .epsilon(\.epsilon),
      .weightDecayExclusions(\.weightDecayExclusions),
    ])
}

/// Adam. ε outside the root of the uncorrected v: c·m/(√v + ε) with c = √(1 − β₂ᵗ)/(1 − β₁ᵗ), the paper's ε̂;
/// PyTorch adds it to the root of the corrected v.
public struct Adam: Optimizer {
  public var learningRate: Schedule
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  public var weightDecay: Double
  public var weightDecayExclusions: [String]
  public var name: String { "adam" }
  public var numbers: [BoundedNumber] { Self.settings.numbers(of: self) }

  public init(
    learningRate: Schedule = 0.001, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-7,
    weightDecay: Double = 0, weightDecayExclusions: [String] = []
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.weightDecayExclusions = weightDecayExclusions
  }

  public func update(weightDecay: Double) -> any OptimizerUpdate {
    AdamUpdate(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
  }

  public func correction(atUpdate update: Int) -> Double { AdamUpdate.correction(beta1, beta2, atUpdate: update) }
}

extension Adam: ConfigurableOptimizer {
  package static let settings = Settings<Adam>(
    "adam", of: Adam(), help: "Running mean of gradients over the root of that of their squares",
    keys: [
      .learningRate(\.learningRate), .weightDecay(\.weightDecay), .beta1(\.beta1), .beta2(\.beta2),
      .epsilon(\.epsilon), .weightDecayExclusions(\.weightDecayExclusions),
    ])
}

/// Adam with decoupled weight decay, 0.004 unless said. ε as in `Adam`.
public struct AdamW: Optimizer {
  public var learningRate: Schedule
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  public var weightDecay: Double
  public var weightDecayExclusions: [String]
  public var name: String { "adamw" }
  public var numbers: [BoundedNumber] { Self.settings.numbers(of: self) }

  public init(
    learningRate: Schedule = 0.001, weightDecay: Double = 0.004, beta1: Double = 0.9, beta2: Double = 0.999,
    epsilon: Double = 1e-7, weightDecayExclusions: [String] = []
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.weightDecayExclusions = weightDecayExclusions
  }

  public func update(weightDecay: Double) -> any OptimizerUpdate {
    AdamUpdate(beta1: beta1, beta2: beta2, epsilon: epsilon, weightDecay: weightDecay)
  }

  public func correction(atUpdate update: Int) -> Double { AdamUpdate.correction(beta1, beta2, atUpdate: update) }
}

extension AdamW: ConfigurableOptimizer {
  package static let settings = Settings<AdamW>(
    "adamw", of: AdamW(), help: "Adam with weight decay unless said",
    keys: [
      .learningRate(\.learningRate), .weightDecay(\.weightDecay), .beta1(\.beta1), .beta2(\.beta2),
      .epsilon(\.epsilon), .weightDecayExclusions(\.weightDecayExclusions),
    ])
}

// Keys that several optimizers have.
extension Setting where Owner: Optimizer {
  fileprivate static func learningRate(_ path: any Path<Schedule>) -> Setting {
    .schedule(
      "learning_rate", path, of: Schedule.rules,
      help: "How far weights move along their gradients: a number, or a schedule")
  }

  fileprivate static func weightDecay(_ path: any Path<Double>) -> Setting {
    .number(
      "weight_decay", path, in: .factor,
      help: "Times the learning rate: the share of each weight that is taken away at an update")
  }

  fileprivate static func momentum(_ path: any Path<Double>) -> Setting {
    .number("momentum", path, in: .kept, help: "What is kept of the last update's direction")
  }

  fileprivate static func beta1(_ path: any Path<Double>) -> Setting {
    .number("beta_1", path, in: .kept, help: "What is kept of the running mean of gradients")
  }

  fileprivate static func beta2(_ path: any Path<Double>) -> Setting {
    .number("beta_2", path, in: .kept, help: "What is kept of the running mean of their squares")
  }

  fileprivate static func epsilon(_ path: any Path<Double>) -> Setting {
    .number("epsilon", path, in: .epsilon, help: "Keeps the division from 0")
  }

  fileprivate static func weightDecayExclusions(_ path: any Path<[String]>) -> Setting {
    .texts(
      "exclude_from_weight_decay", path, .whereGiven,
      help: "Weights whose name contains one of these words do not decay, such as bias")
  }
}

/// The optimizers that configurations know.
package let configurableOptimizers: [any ConfigurableOptimizer.Type] = [
  SGD.self, RMSprop.self, Adagrad.self, Adam.self, AdamW.self,
]

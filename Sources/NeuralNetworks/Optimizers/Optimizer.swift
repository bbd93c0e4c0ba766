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
  /// Its numbers besides learning rate and weight decay; `TrainingStep.build` refuses what is out of its range.
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
  public var numbers: [BoundedNumber] { [.init("momentum", momentum, .kept)] }

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
  public var numbers: [BoundedNumber] {
    [.init("rho", rho, .kept), .init("momentum", momentum, .kept), .init("epsilon", epsilon, .epsilon)]
  }

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

/// Adagrad. ε inside the root: g/√(a + ε); PyTorch adds it outside.
public struct Adagrad: Optimizer {
  public var learningRate: Schedule
  public var initialAccumulatorValue: Double
  public var epsilon: Double
  public var weightDecay: Double
  public var weightDecayExclusions: [String]
  public var name: String { "adagrad" }
  public var numbers: [BoundedNumber] {
    [.init("initialAccumulatorValue", initialAccumulatorValue, .factor), .init("epsilon", epsilon, .epsilon)]
  }

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
  public var numbers: [BoundedNumber] {
    [.init("beta1", beta1, .kept), .init("beta2", beta2, .kept), .init("epsilon", epsilon, .epsilon)]
  }

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

/// Adam with decoupled weight decay, 0.004 unless said. ε as in `Adam`.
public struct AdamW: Optimizer {
  public var learningRate: Schedule
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  public var weightDecay: Double
  public var weightDecayExclusions: [String]
  public var name: String { "adamw" }
  public var numbers: [BoundedNumber] {
    [.init("beta1", beta1, .kept), .init("beta2", beta2, .kept), .init("epsilon", epsilon, .epsilon)]
  }

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

/// Updates of state in place: assignment and the optimizers, with Keras 3's formulas.
///
/// Operands of an optimizer update: parameter, gradient, slots…, learning rate `[]` (a step value), [correction `[]`],
/// allow `bool[]`. Results: parameter, slots… (both in place), and `update` = new − old parameter, which is usually
/// unread and then never written. Where `allow` is false (a gradient was not finite) nothing changes.
/// Weight decay is decoupled: w ← w − lr·weightDecay·w before the rest (Loshchilov and Hutter, 2019, algorithm 2).
public protocol OptimizerUpdate: InPlaceOperation {
  /// Names of the slots, as checkpoints call them.
  var slotNames: [String] { get }
  /// Whether a bias correction follows the learning rate.
  static var takesCorrection: Bool { get }
}

extension OptimizerUpdate {
  /// The same for all of them; where infinities end hangs on how a formula is written.
  public static var specialValues: SpecialValueLaw { SpecialValueLaw(.nan, nan: nanOfUpdates) }

  /// Long parameters and such of several axes, by each formula that `samples` have.
  public static var furtherSamples: [OperationSample] {
    let short = samples.filter { $0.inputs[0].shape == [3, 5] }
    return short.enumerated().flatMap { index, sample in
      ([[4097], [3, 513], [257, 5]] + (index == 0 ? [[257, 3, 2], [2, 257, 3], [65_537]] : [])).map { extents in
        let types = sample.inputs.map { $0.shape.rank == 0 ? $0 : $0.with(shape: Shape(extents)) }
        return OperationSample(sample.operation, types, sample.domains).forNumbers
      }
    }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static var randomProgramPart: RandomProgramPart {
    .absent(reason: "training steps have it, of all parameters")
  }

  /// What follows each formula: operands and results in their order, and the decay.
  fileprivate static func operandWords(_ slots: String, correction: Bool = false) -> String {
    "; before it weightDecay: w ← w − lr·weightDecay·w; operands: w, g, \(slots), lr []\(correction ? ", c []" : ""), "
      + "allow bool[]; results: w, \(slots), and the new w less the old one"
  }

  fileprivate static var nanOfUpdates: String {
    "a NaN stays in its element: parameter, slots and update; where allow is false nothing changes"
  }

  public var updatedOperands: [Int] { [0] + slotNames.indices.map { $0 + 2 } }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    let slots = slotNames.count
    try expect(inputs, count: slots + (Self.takesCorrection ? 5 : 4))
    try expectFloatingPoint([inputs[0]])
    for type in inputs[1..<(2 + slots)] { try expectSame(inputs[0], type) }
    for type in inputs[(2 + slots)...].dropLast() {
      guard type == inputs[0].with(shape: []) else {
        throw ProgramError("the learning rate is \(type), not a scalar of the parameter's type")
      }
    }
    guard inputs.last == TensorType(.bool, []) else { throw ProgramError("the last operand must be bool[]") }
    return Array(repeating: inputs[0], count: slots + 2)
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "an update changes state in place")
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, (try? outputTypes(for: inputs)) ?? [], flopsPerElement: 3)
  }

  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .ulpsOfLargest(4) }

  static func samples(_ operations: [Self]) -> [OperationSample] {
    // The last operand allows the update: mostly, and once not.
    let cases: [([Int], Double)] = [([1], 1), ([7], 1), ([3, 5], 1), ([7], 0), ([0, 2], 1)]
    return operations.flatMap { operation in
      cases.map { extents, isAllowed in
        let type = TensorType.float32(Shape(extents))
        let scalars = Array(repeating: TensorType.float32([]), count: Self.takesCorrection ? 2 : 1)
        // Slots such as a running mean of squares are never negative.
        return OperationSample(
          operation,
          [type, type] + operation.slotNames.map { _ in type } + scalars + [TensorType(.bool, [])],
          [.range(-2, 2), .range(-2, 2)] + operation.slotNames.map { _ in .range(4.1, 5) }
            + scalars.map { _ in .range(0.001, 0.1) } + [.range(isAllowed, isAllowed)])
      }
    }
  }
}

/// Stochastic gradient descent: w ← w − lr·g; with momentum μ: m ← μm − lr·g, w ← w + m;
/// Nesterov: w ← w + μm − lr·g with the new m (Sutskever et al., 2013, as Keras writes it).
public struct SGDUpdate: OptimizerUpdate {
  public static let name = "sgdUpdate"
  public static let law =
    "m ← μ·m − lr·g; w ← w + m (nesterov: w + μ·m − lr·g); μ = 0: w ← w − lr·g"
    + operandWords("m (unless μ = 0)")
  public var momentum: Double
  public var nesterov: Bool
  public var weightDecay: Double

  public init(momentum: Double = 0, nesterov: Bool = false, weightDecay: Double = 0) {
    self.momentum = momentum
    self.nesterov = nesterov
    self.weightDecay = weightDecay
  }

  public var slotNames: [String] { momentum == 0 ? [] : ["momentum"] }
  public static var takesCorrection: Bool { false }
  public static var samples: [OperationSample] {
    samples([
      SGDUpdate(), SGDUpdate(momentum: 0.9), SGDUpdate(momentum: 0.9, nesterov: true, weightDecay: 0.01),
    ])
  }
}

/// RMSprop (Tieleman and Hinton, 2012): v ← ρv + (1 − ρ)g²; w ← w − lr·g/√(v + ε). ε stands inside the root (Keras 3);
/// PyTorch adds it outside. `centered` subtracts the squared running mean of g (Graves 2013, eq. 39). This variance is
/// never negative, but v − a² may be by rounding, as when g is constant: it then counts as 0.
public struct RMSpropUpdate: OptimizerUpdate {
  public static let name = "rmspropUpdate"
  public static let law =
    "v ← ρv + (1−ρ)g²; centered: a ← ρa + (1−ρ)g; s = v (centered: max(v − a², 0)); i = lr·g/√(s + ε); w ← w − i, "
    + "or m ← μm + i, w ← w − m"
    + operandWords("v, a (if centered), m (unless μ = 0)")
  public static let specialValues = SpecialValueLaw(
    .nan, nan: nanOfUpdates, choice: "a centered variance below 0 counts as 0, a NaN does not")
  public var rho: Double
  public var momentum: Double
  public var epsilon: Double
  public var centered: Bool
  public var weightDecay: Double

  public init(
    rho: Double = 0.9, momentum: Double = 0, epsilon: Double = 1e-7, centered: Bool = false, weightDecay: Double = 0
  ) {
    self.rho = rho
    self.momentum = momentum
    self.epsilon = epsilon
    self.centered = centered
    self.weightDecay = weightDecay
  }

  public var slotNames: [String] {
    ["velocity"] + (centered ? ["average_gradient"] : []) + (momentum == 0 ? [] : ["momentum"])
  }
  public static var takesCorrection: Bool { false }
  public static var samples: [OperationSample] {
    // Slots of samples lie in 4.1…5: a centered variance v − a² would be negative, so its mean is kept small by ρ.
    // Then one where v − a² is negative.
    let centered: [([Int], v: OperationSample.Domain, a: OperationSample.Domain)] = [
      ([1], .range(4, 5), .range(-1, 1)), ([7], .range(4, 5), .range(-1, 1)), ([3, 5], .range(4, 5), .range(-1, 1)),
      ([3, 5], .range(0, 0.5), .range(2, 3)),
    ]
    return samples([RMSpropUpdate(), RMSpropUpdate(momentum: 0.9, weightDecay: 0.01), RMSpropUpdate(epsilon: 0.5)])
      + centered.map { extents, v, a in
        let type = TensorType.float32(Shape(extents))
        return OperationSample(
          RMSpropUpdate(centered: true), [type, type, type, type, .float32([]), TensorType(.bool, [])],
          [.range(-2, 2), .range(-2, 2), v, a, .range(0.001, 0.1), .range(1, 1)])
      }
  }
}

/// Adagrad (Duchi, Hazan and Singer, 2011): a ← a + g²; w ← w − lr·g/√(a + ε), ε inside the root (Keras 3).
public struct AdagradUpdate: OptimizerUpdate {
  public static let name = "adagradUpdate"
  public static let law =
    "a ← a + g²; w ← w − lr·g/√(a + ε)"
    + operandWords("a")
  public var epsilon: Double
  public var weightDecay: Double

  public init(epsilon: Double = 1e-7, weightDecay: Double = 0) {
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  public var slotNames: [String] { ["accumulator"] }
  public static var takesCorrection: Bool { false }
  public static var samples: [OperationSample] {
    samples([AdagradUpdate(), AdagradUpdate(weightDecay: 0.01), AdagradUpdate(epsilon: 0.5)])
  }
}

/// Adam (Kingma and Ba, 2015, end of §2, the efficient order): m ← m + (g − m)(1 − β₁), v ← v + (g² − v)(1 − β₂),
/// w ← w − lr·c·m/(√v + ε) with c = √(1 − β₂ᵗ)/(1 − β₁ᵗ) given as a step value. ε stands outside the root and is
/// not corrected (the paper's ε̂; Keras 3); PyTorch divides by √(v/(1 − β₂ᵗ)) + ε.
public struct AdamUpdate: OptimizerUpdate {
  public static let name = "adamUpdate"
  public static let law =
    "m ← m + (g−m)(1−β₁); v ← v + (g²−v)(1−β₂); w ← w − lr·c·m/(√v + ε), c = √(1−β₂ᵗ)/(1−β₁ᵗ)"
    + operandWords("m, v", correction: true)
  public var beta1: Double
  public var beta2: Double
  public var epsilon: Double
  public var weightDecay: Double

  public init(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-7, weightDecay: Double = 0) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  public var slotNames: [String] { ["momentum", "velocity"] }
  public static var takesCorrection: Bool { true }
  public static var samples: [OperationSample] {
    samples([AdamUpdate(), AdamUpdate(weightDecay: 0.004), AdamUpdate(epsilon: 0.5)])
  }
}

/// `state ← value`.
public struct Assign: InPlaceOperation {
  public static let name = "assign"
  public static let law = "state ← value; operands: state, value"
  public static let specialValues = SpecialValueLaw.moved

  public init() {}

  public var updatedOperands: [Int] { [0] }

  public static var samples: [OperationSample] {
    [[], [1], [3, 5], [0]].map { OperationSample(Assign(), [.float32(Shape($0)), .float32(Shape($0))]) }
  }

  public static var furtherSamples: [OperationSample] {
    [[4097], [65_537], [3, 513], [257, 2, 3], [2, 257, 3]].map {
      OperationSample(Assign(), [.float32(Shape($0)), .float32(Shape($0))]).forNumbers
    }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "every random program ends with one")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 2)
    try expectSame(inputs[0], inputs[1])
    return [inputs[0]]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "an assignment changes state in place")
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise([inputs[1]], [inputs[0]], flopsPerElement: 0) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// Whether every element of every operand is finite: the flag that guards the updates.
public struct AllFinite: TensorOperation {
  public static let name = "allFinite"
  public static let law = "y = true where no element of any operand is infinite or NaN"
  public static let specialValues = SpecialValueLaw(
    .everywhere, nan: "one NaN or infinity makes it false; of no element it is true")

  public init() {}

  public static var samples: [OperationSample] {
    [
      OperationSample(AllFinite(), [.float32([1])]),
      OperationSample(AllFinite(), [.float32([3, 5]), .float32([7])]),
      OperationSample(AllFinite(), [.float32([0])]),
      OperationSample(AllFinite(), [.float32([37])]),
    ]
  }

  /// Long operands, and more of them than a kernel may take at once.
  public static var furtherSamples: [OperationSample] {
    [
      [[257]], [[4097]], [[65_537]], [[3, 513], [4097]], [[257, 2, 3], [513], [2, 257, 3]],
      (1...17).map { [$0] },
    ].map { OperationSample(AllFinite(), $0.map { .float32(Shape($0)) }).forNumbers }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [.oneBadNumber] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "training steps have it, over all gradients")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expectFloatingPoint(inputs)
    return [TensorType(.bool, [])]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "a comparison has no derivative")
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, []) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

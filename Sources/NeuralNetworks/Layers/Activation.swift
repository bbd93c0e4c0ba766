public import SwitchbackPrograms

/// A function that a layer applies to its result. Defaults are those of Keras 3's `keras.activations`.
public enum ActivationFunction: Hashable, Codable, Sendable {
  case linear
  case relu
  /// x > 0 ? x : negativeSlope·x. (Keras's *layer* LeakyReLU has 0.3.)
  case leakyRelu(negativeSlope: Double = 0.2)
  case elu(alpha: Double = 1)
  case selu
  /// x·Φ(x); `approximate` takes the tanh formula instead of erf.
  case gelu(approximate: Bool = false)
  case swish
  case sigmoid
  /// clamp(x/6 + 1/2, 0, 1)
  case hardSigmoid
  case tanh
  case softplus
  /// Along the last axis.
  case softmax
  /// One that is a row of the table of elementwise functions and nothing else (`UnaryFunction.activations`).
  case row(UnaryFunction)

  /// Each with its defaults, by Keras's word in lowerCamel.
  public static let all: [ActivationFunction] =
    [
      .linear, .relu, .leakyRelu(), .elu(), .selu, .gelu(), .swish, .sigmoid, .hardSigmoid, .tanh, .softplus, .softmax,
    ] + UnaryFunction.activations.map { .row($0.function) }

  /// `relu`, `leakyRelu`, `hardSigmoid`, …
  public var word: String {
    switch self {
    case .linear: "linear"
    case .softmax: "softmax"
    case .gelu: UnaryFunction.gelu.rawValue
    default: unary!.function.rawValue
    }
  }

  /// The row of the table of elementwise functions.
  var unary: Unary? {
    switch self {
    case .linear, .softmax: nil
    case .relu: Unary(.relu)
    case .leakyRelu(let slope): Unary(.leakyRelu, alpha: slope)
    case .elu(let alpha): Unary(.elu, alpha: alpha)
    case .selu: Unary(.selu)
    case .gelu(let approximate): Unary(approximate ? .geluTanh : .gelu)
    case .swish: Unary(.swish)
    case .sigmoid: Unary(.sigmoid)
    case .hardSigmoid: Unary(.hardSigmoid)
    case .tanh: Unary(.tanh)
    case .softplus: Unary(.softplus)
    case .row(let function): Unary(function)
    }
  }

  func callAsFunction(_ input: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Value {
    if let unary {
      guard NumberRange.any.contains(unary.alpha) else {
        throw ProgramError("the \(word) has \(unary.alpha) where it needs a number", path: builder.path)
      }
      return try builder.append(unary, input)
    }
    guard self == .softmax else { return input }
    return try builder.append(Softmax(axis: input.shape.rank - 1), input)
  }
}

extension ActivationFunction {
  /// Those that configurations know, by their words.
  package static let kinds: [Settings<ActivationFunction>] =
    [
      Settings("linear", of: .linear, help: "x"),
      Settings("relu", of: .relu, help: "max(x, 0)"),
      Settings(
        "leaky_relu", of: .leakyRelu(), help: "x where x > 0, else negative_slope · x",
        keys: [.number("negative_slope", \.number, in: .nonNegative, help: "The slope below 0")]),
      Settings(
        "elu", of: .elu(), help: "x where x > 0, else alpha · (eˣ − 1)",
        keys: [.number("alpha", \.number, in: .nonNegative, help: "The limit far below 0 is −alpha")]),
      Settings("selu", of: .selu, help: "1.0507009873554805 · (x where x > 0, else 1.6732632423543772 · (eˣ − 1))"),
      Settings(
        "gelu", of: .gelu(), help: "x · Φ(x), with the distribution of normal numbers Φ",
        keys: [.bool("approximate", \.isApproximate, help: "Whether tanh stands in for erf")]),
      Settings("swish", of: .swish, help: "x / (1 + e⁻ˣ)"),
      Settings("sigmoid", of: .sigmoid, help: "1 / (1 + e⁻ˣ)"),
      Settings("hard_sigmoid", of: .hardSigmoid, help: "x/6 + 1/2, within 0 and 1"),
      Settings("tanh", of: .tanh, help: "The hyperbolic tangent"),
      Settings("softplus", of: .softplus, help: "ln(1 + eˣ)"),
      Settings("softmax", of: .softmax, help: "eˣ over the sum of eˣ along the last axis"),
    ] + UnaryFunction.activations.map { Settings($0.word, of: .row($0.function), help: $0.function.law) }

  /// The number of those that have one.
  fileprivate var number: Double {
    get {
      switch self {
      case .leakyRelu(let number), .elu(let number): number
      default: 0
      }
    }
    set {
      switch self {
      case .leakyRelu: self = .leakyRelu(negativeSlope: newValue)
      case .elu: self = .elu(alpha: newValue)
      default: break
      }
    }
  }

  fileprivate var isApproximate: Bool {
    get { self == .gelu(approximate: true) }
    set { self = .gelu(approximate: newValue) }
  }
}

/// An activation function as a layer of its own.
public struct Activation: UnaryLayer {
  public var function: ActivationFunction
  public var name: String?
  public var kind: String { "activation" }
  public var masking: Masking { .passed }

  public init(_ function: ActivationFunction, name: String? = nil) {
    self.function = function
    self.name = name
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.activate(input, function)
  }
}

extension Activation: ConfigurableLayer {
  package static let settings = Settings<Activation>(
    "activation", of: Activation(.linear), help: "An activation function as a layer of its own",
    keys: [
      .activation("function", \.function, .required, help: "What the input passes through")
    ])
}

/// x > 0 ? x : negativeSlope·x, with the default of Keras's layer.
public struct LeakyReLU: UnaryLayer {
  public var negativeSlope: Double
  public var name: String?
  public var kind: String { "leakyRelu" }
  public var masking: Masking { .passed }

  public init(negativeSlope: Double = 0.3, name: String? = nil) {
    self.negativeSlope = negativeSlope
    self.name = name
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.activate(input, .leakyRelu(negativeSlope: negativeSlope))
  }
}

extension LeakyReLU: ConfigurableLayer {
  package static let settings = Settings<LeakyReLU>(
    "leaky_relu", of: LeakyReLU(), help: "x where x > 0, else negative_slope times x",
    keys: [
      .number("negative_slope", \.negativeSlope, in: .nonNegative, help: "The slope below 0")
    ])
}

/// x > 0 ? x : alpha·x with a learned alpha for every feature, or one shared along `sharedAxes` (1 is the first axis
/// after the batch: `[1, 2]` gives an image's channels one each). He et al., 2015, eq. 1.
public struct PReLU: UnaryLayer {
  public var sharedAxes: [Int]
  public var alphaInitializer: Initializer
  public var alphaRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "prelu" }
  public var masking: Masking { .passed }

  public init(
    sharedAxes: [Int] = [], alphaInitializer: Initializer = .zeros, alphaRegularizer: Regularizer? = nil,
    name: String? = nil
  ) {
    self.sharedAxes = sharedAxes
    self.alphaInitializer = alphaInitializer
    self.alphaRegularizer = alphaRegularizer
    self.name = name
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    guard input.shape.rank >= 2 else { throw context.mismatch(input, takes: "a batch [N, features…]") }
    var extents = Array(input.shape.extents.dropFirst())
    for axis in sharedAxes {
      guard (1...extents.count).contains(axis) else {
        throw context.mismatch(input, takes: "an input with the shared axis \(axis)")
      }
      extents[axis - 1] = 1
    }
    let alpha = try context.parameter(
      "alpha", Shape(extents), initializer: alphaInitializer, regularizer: alphaRegularizer)
    // relu(x) − alpha·relu(−x): the gate of both halves is closed at 0, as in Keras.
    let positive = try context.append(Unary(.relu), input)
    let negated = try context.append(Unary(.negate), input)
    let negative = try context.append(Unary(.relu), negated)
    let scaled = try context.append(Binary(.multiply), negative, alpha)
    let output = try context.append(Binary(.subtract), positive, scaled)
    context.recordActivation("prelu", input, output)
    return output
  }
}

extension PReLU: ConfigurableLayer {
  package static let settings = Settings<PReLU>(
    "prelu", of: PReLU(), help: "x where x > 0, else a learned alpha times x",
    keys: [
      .integers(
        "shared_axes", \.sharedAxes, in: 1...8, .whereGiven,
        help: "Axes that share an alpha, from 1: [1, 2] gives each channel one"),
      .initializer("alpha_initializer", \.alphaInitializer, .whereGiven, help: "How the slopes start"),
      .regularizer("alpha_regularizer", \.alphaRegularizer, help: "What the slopes' size adds to the loss"),
    ])
}

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
    ] + rows.map(\.function)

  /// Those of the table, by the word that configurations have for them.
  package static let rows = UnaryFunction.activations.map {
    (word: $0.word, function: ActivationFunction.row($0.function))
  }

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
  private var unary: Unary? {
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

/// An activation function as a layer of its own.
public struct Activation: UnaryLayer {
  public var function: ActivationFunction
  public var name: String?
  public var kind: String { "activation" }

  public init(_ function: ActivationFunction, name: String? = nil) {
    self.function = function
    self.name = name
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.activate(input, function)
  }
}

/// x > 0 ? x : negativeSlope·x, with the default of Keras's layer.
public struct LeakyReLU: UnaryLayer {
  public var negativeSlope: Double
  public var name: String?
  public var kind: String { "leakyRelu" }

  public init(negativeSlope: Double = 0.3, name: String? = nil) {
    self.negativeSlope = negativeSlope
    self.name = name
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.activate(input, .leakyRelu(negativeSlope: negativeSlope))
  }
}

/// x > 0 ? x : alpha·x with a learned alpha for every feature, or one shared along `sharedAxes` (1 is the first axis
/// after the batch: `[1, 2]` gives an image's channels one each). He et al., 2015, eq. 1.
public struct PReLU: UnaryLayer {
  public var sharedAxes: [Int]
  public var alphaInitializer: Initializer
  public var alphaRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "prelu" }

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

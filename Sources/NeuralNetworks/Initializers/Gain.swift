import SwitchbackPrograms

/// What an initializer's numbers are multiplied with.
public enum Gain: Hashable, Codable, Sendable, ExpressibleByFloatLiteral, ExpressibleByIntegerLiteral {
  case number(Double)
  /// That of the activation of the layer itself, by which values keep their size from layer to layer: 1 for linear, sigmoid
  /// and softmax, 5/3 for tanh, √2 for relu, √(2 / (1 + slope²)) for leaky relu (He et al., 2015, eq. 15), 3/4 for selu
  /// (PyTorch's `calculate_gain`). Another activation is an error, and so is a weight that no activation follows.
  case activation

  public init(floatLiteral value: Double) { self = .number(value) }
  public init(integerLiteral value: Int) { self = .number(Double(value)) }

  static let help = "What they are multiplied with: a number, or activation: by the layer's own"
  static let obstacle =
    "the gain of the activation is that of the layer's own: linear, relu, leaky_relu, selu, sigmoid, softmax or tanh; say a "
    + "number here"

  /// One that has been decided.
  var factor: Double { if case .number(let value) = self { value } else { 1 } }

  /// Nil where none is known.
  static func factor(of activation: ActivationFunction) -> Double? {
    switch activation {
    case .linear, .sigmoid, .softmax: 1
    case .tanh: 5.0 / 3
    case .relu: 2.0.squareRoot()
    case .leakyRelu(let slope): (2 / (1 + slope * slope)).squareRoot()
    case .selu: 0.75
    default: nil
    }
  }
}

/// What a variance is divided by.
public enum FanMode: String, Hashable, Codable, Sendable, CaseIterable {
  /// The inputs of a unit: values keep their size on the way forward.
  case fanIn = "fan_in"
  /// Its outputs: gradients keep their size on the way back.
  case fanOut = "fan_out"
  case fanAverage = "fan_avg"

  func fan(of shape: Shape) -> Double {
    let (fanIn, fanOut) = Initializer.fans(of: shape)
    return switch self {
    case .fanIn: Double(fanIn)
    case .fanOut: Double(fanOut)
    case .fanAverage: Double(fanIn + fanOut) / 2
    }
  }
}

/// What is drawn for a variance.
public enum ScaledDistribution: String, Hashable, Codable, Sendable, CaseIterable {
  /// Numbers further than two standard deviations from 0 are drawn again; the rest has the variance.
  case truncatedNormal = "truncated_normal"
  case untruncatedNormal = "untruncated_normal"
  case uniform
}

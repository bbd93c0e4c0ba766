#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

import SwitchbackPrograms

/// An activation function φ with its slope φ′, in Float64: what theory asks of it. The names are those of the table of
/// elementwise functions (`UnaryFunction`), whose laws these are; of functions that state formulas there they are those.
public struct ActivationLaw: Sendable {
  public let name: String
  /// Where φ or φ′ changes its branch.
  public let kinks: [Double]
  public let value: @Sendable (Double) -> Double
  public let slope: @Sendable (Double) -> Double

  public init(
    _ name: String, kinks: [Double] = [], value: @escaping @Sendable (Double) -> Double,
    slope: @escaping @Sendable (Double) -> Double
  ) {
    (self.name, self.kinks, self.value, self.slope) = (name, kinks, value, slope)
  }

  /// Of a function that states formulas; nil of others.
  init?(_ function: UnaryFunction) {
    guard let (forward, slope) = function.formulas else { return nil }
    let alpha = Unary(function).alpha
    let isOfResult = function.gradientOperand == .output
    self.init(
      function.rawValue, kinks: function.kinks, value: { forward.value(at: $0, alpha) },
      slope: { slope.value(at: isOfResult ? forward.value(at: $0, alpha) : $0, alpha) })
  }

  /// Each that a layer can have, with Keras's defaults; `linear` is the row `identity`. Softmax is none: it has no law of
  /// one variable.
  public static let all: [ActivationLaw] =
    [
      linear, relu, leakyRelu(), elu(), selu, gelu, geluTanh, swish, sigmoid, hardSigmoid, tanh, softplus,
    ] + UnaryFunction.activations.compactMap { ActivationLaw($0.function) }

  /// Nil where there is none of that name.
  public static func named(_ name: String) -> ActivationLaw? { all.first { $0.name == name } }

  public static let linear = ActivationLaw("linear", value: { $0 }, slope: { _ in 1 })

  public static let relu = leaky("relu", 0)

  public static func leakyRelu(negativeSlope: Double = 0.2) -> ActivationLaw { leaky("leakyRelu", negativeSlope) }

  private static func leaky(_ name: String, _ alpha: Double) -> ActivationLaw {
    ActivationLaw(name, kinks: [0], value: { $0 > 0 ? $0 : alpha * $0 }, slope: { $0 > 0 ? 1 : alpha })
  }

  public static func elu(alpha: Double = 1) -> ActivationLaw { exponential("elu", alpha: alpha, scale: 1) }

  /// Klambauer et al., *Self-Normalizing Neural Networks* (2017), equation 2.
  public static let selu = exponential("selu", alpha: 1.6732632423543772, scale: 1.0507009873554805)

  private static func exponential(_ name: String, alpha: Double, scale: Double) -> ActivationLaw {
    ActivationLaw(
      name, kinks: [0], value: { $0 > 0 ? scale * $0 : scale * alpha * expm1($0) },
      slope: { $0 > 0 ? scale : scale * alpha * exp($0) })
  }

  public static let gelu = ActivationLaw(
    "gelu", value: { $0 * normal($0) },
    slope: { normal($0) + $0 * exp(-$0 * $0 / 2) / (2 * Double.pi).squareRoot() })

  public static let geluTanh: ActivationLaw = {
    let (factor, cubic) = ((2 / Double.pi).squareRoot(), 0.044715)
    return ActivationLaw(
      "geluTanh", value: { $0 / 2 * (1 + hyperbolic(factor * ($0 + cubic * $0 * $0 * $0))) },
      slope: { x in
        let t = hyperbolic(factor * (x + cubic * x * x * x))
        return (1 + t) / 2 + x / 2 * (1 - t * t) * factor * (1 + 3 * cubic * x * x)
      })
  }()

  public static let swish = ActivationLaw(
    "swish", value: { $0 * logistic($0) },
    slope: {
      let s = logistic($0)
      return s * (1 + $0 * (1 - s))
    })

  public static let sigmoid = ActivationLaw(
    "sigmoid", value: logistic, slope: { logistic($0) * logistic(-$0) })

  public static let hardSigmoid = ActivationLaw(
    "hardSigmoid", kinks: [-3, 3], value: { min(max($0 / 6 + 0.5, 0), 1) }, slope: { abs($0) < 3 ? 1.0 / 6 : 0 })

  public static let tanh = ActivationLaw(
    "tanh", value: hyperbolic,
    slope: {
      let t = hyperbolic($0)
      return 1 - t * t
    })

  public static let softplus = ActivationLaw(
    "softplus", value: { max($0, 0) + log1p(exp(-abs($0))) }, slope: logistic)

  /// No layer has it. Its means are known in closed form (Williams, *Computing with Infinite Networks*, 1997), so it
  /// proves the sums.
  public static let errorFunction = ActivationLaw(
    "erf", value: { erf($0) }, slope: { 2 / Double.pi.squareRoot() * exp(-$0 * $0) })

  /// Φ
  private static func normal(_ x: Double) -> Double { erfc(-x / 2.0.squareRoot()) / 2 }
  private static let logistic: @Sendable (Double) -> Double = { 1 / (1 + exp(-$0)) }
  private static let hyperbolic: @Sendable (Double) -> Double = { x in
    let e = expm1(-2 * abs(x))
    return x < 0 ? e / (2 + e) : -e / (2 + e)
  }
}

extension Formula {
  /// In Float64.
  fileprivate func value(at x: Double, _ alpha: Double) -> Double {
    func of(_ formula: Formula) -> Double { formula.value(at: x, alpha) }
    switch self {
    case .variable: return x
    case .alpha: return alpha
    case .constant(let number): return number
    case .sum(let a, let b): return of(a) + of(b)
    case .difference(let a, let b): return of(a) - of(b)
    case .product(let a, let b): return of(a) * of(b)
    case .quotient(let a, let b): return of(a) / of(b)
    case .choice(let condition, let then, let otherwise):
      let (left, right) = (of(condition.left), of(condition.right))
      let holds =
        switch condition.relation {
        case .less: left < right
        case .lessOrEqual: left <= right
        case .greater: left > right
        case .greaterOrEqual: left >= right
        }
      return of(holds ? then : otherwise)
    case .apply(let function, let operand):
      let y = of(operand)
      return switch function {
      case .absolute: abs(y)
      case .exp: exp(y)
      case .expm1: expm1(y)
      case .log: log(y)
      case .log1p: log1p(y)
      case .sqrt: y.squareRoot()
      case .tanh: ActivationLaw.tanh.value(y)
      case .erf: erf(y)
      case .sigmoid: ActivationLaw.sigmoid.value(y)
      }
    }
  }
}

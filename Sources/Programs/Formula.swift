/// A formula of one variable, from which backends make the kernels of a function that nobody has written by hand.
///
/// A comparison is false for NaN, so a choice that compares must name both sides where NaN has to stay NaN.
public indirect enum Formula: Hashable, Sendable {
  case variable
  /// The function's own number (`Unary.alpha`).
  case alpha
  case constant(Double)
  case sum(Formula, Formula)
  case difference(Formula, Formula)
  case product(Formula, Formula)
  case quotient(Formula, Formula)
  case apply(Function, Formula)
  case choice(Condition, then: Formula, otherwise: Formula)

  public enum Function: String, Hashable, Sendable, CaseIterable {
    case absolute, exp, expm1, log, log1p, sqrt, tanh, erf, sigmoid
  }

  public struct Condition: Hashable, Sendable {
    public enum Relation: String, Hashable, Sendable {
      case less = "<", lessOrEqual = "<=", greater = ">", greaterOrEqual = ">="
    }
    public let left: Formula
    public let relation: Relation
    public let right: Formula
  }
}

// MARK: Writing one down

extension Formula: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
  public init(integerLiteral value: Int) { self = .constant(Double(value)) }
  public init(floatLiteral value: Double) { self = .constant(value) }

  package static func + (a: Formula, b: Formula) -> Formula { .sum(a, b) }
  package static func - (a: Formula, b: Formula) -> Formula { .difference(a, b) }
  package static func * (a: Formula, b: Formula) -> Formula { .product(a, b) }
  package static func / (a: Formula, b: Formula) -> Formula { .quotient(a, b) }
  package static func < (a: Formula, b: Formula) -> Condition { Condition(left: a, relation: .less, right: b) }
  package static func <= (a: Formula, b: Formula) -> Condition { Condition(left: a, relation: .lessOrEqual, right: b) }
  package static func > (a: Formula, b: Formula) -> Condition { Condition(left: a, relation: .greater, right: b) }
  package static func >= (a: Formula, b: Formula) -> Condition {
    Condition(left: a, relation: .greaterOrEqual, right: b)
  }
}

// MARK: As source text

extension Formula {
  /// What a language calls the variable, alpha and the functions.
  package struct Words: Sendable {
    var variable: String
    var alpha: String
    var function: @Sendable (Function) -> String

    /// In `CPUKernels/Kernels/elementwise.h`.
    package static let c = Words(variable: "v", alpha: "alpha") { function in
      switch function {
      case .absolute: "fabsf"
      case .sigmoid: "sigmoid"
      default: function.rawValue + "f"
      }
    }

    /// In `OpenCL/Kernels/functions.cl`.
    package static let openCL = Words(variable: "v", alpha: "a") { function in
      switch function {
      case .absolute: "fabs"
      case .sigmoid: "sigmoid_of"
      default: function.rawValue
      }
    }
  }

  /// An expression of C in Float32.
  package func text(_ words: Words) -> String {
    func infix(_ a: Formula, _ sign: String, _ b: Formula) -> String {
      "(\(a.text(words)) \(sign) \(b.text(words)))"
    }
    return switch self {
    case .variable: words.variable
    case .alpha: words.alpha
    case .constant(let value): "\(Float(value))f"
    case .sum(let a, let b): infix(a, "+", b)
    case .difference(let a, let b): infix(a, "-", b)
    case .product(let a, let b): infix(a, "*", b)
    case .quotient(let a, let b): infix(a, "/", b)
    case .apply(let function, let operand): "\(words.function(function))(\(operand.text(words)))"
    case .choice(let condition, let then, let otherwise):
      "(\(condition.left.text(words)) \(condition.relation.rawValue) \(condition.right.text(words)) ? "
        + "\(then.text(words)) : \(otherwise.text(words)))"
    }
  }
}

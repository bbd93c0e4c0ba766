import SwitchbackPrograms

extension Formula {
  /// Its value where the variable is `x`, every step of it rounded to `T`.
  package func value<T: ReferenceScalar>(at x: T, alpha: T) -> T {
    func part(_ formula: Formula) -> T { formula.value(at: x, alpha: alpha) }
    return switch self {
    case .variable: x
    case .alpha: alpha
    case .constant(let value): T(value)
    case .sum(let a, let b): part(a) + part(b)
    case .difference(let a, let b): part(a) - part(b)
    case .product(let a, let b): part(a) * part(b)
    case .quotient(let a, let b): part(a) / part(b)
    case .apply(let function, let operand): function.value(at: part(operand))
    case .choice(let condition, let then, let otherwise):
      condition.relation.holds(part(condition.left), part(condition.right)) ? part(then) : part(otherwise)
    }
  }
}

extension Formula.Function {
  fileprivate func value<T: ReferenceScalar>(at x: T) -> T {
    switch self {
    case .absolute: abs(x)
    case .exp: T.exp(x)
    case .expm1: T.expm1(x)
    case .log: T.log(x)
    case .log1p: T.log1p(x)
    case .sqrt: x.squareRoot()
    case .tanh: T.tanh(x)
    case .erf: T.erf(x)
    case .sigmoid: SwitchbackReference.sigmoid(x)
    }
  }
}

extension Formula.Condition.Relation {
  fileprivate func holds<T: Comparable>(_ a: T, _ b: T) -> Bool {
    switch self {
    case .less: a < b
    case .lessOrEqual: a <= b
    case .greater: a > b
    case .greaterOrEqual: a >= b
    }
  }
}

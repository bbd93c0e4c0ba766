import SwitchbackPrograms

/// How gradients are kept small before the update, by compositions of existing operations.
public enum GradientClipping: Hashable, Codable, Sendable {
  /// Each element within ± the bound (Keras's `clipvalue`).
  case value(Double)
  /// Each parameter's gradient to at most this L2 norm (`clipnorm`).
  case norm(Double)
  /// All gradients together to at most this L2 norm (`global_clipnorm`; Pascanu et al., 2013, algorithm 1).
  case globalNorm(Double)

  private var bound: Double {
    switch self {
    case .value(let bound), .norm(let bound), .globalNorm(let bound): bound
    }
  }

  /// The clipped gradients, and the norms that must be finite for the result to mean anything.
  ///
  /// g ← g · c / max(‖g‖, c): the coefficient is at most 1 and never divides by zero. A norm that overflows f32 would
  /// make it 0, a step in silence; so the norms join the finite flag that guards the updates.
  func callAsFunction(
    _ gradients: [Value], paths: [String], in builder: inout ProgramBuilder
  ) throws(ProgramError) -> (gradients: [Value], norms: [Value]) {
    guard bound > 0, bound.isFinite else {
      throw ProgramError("the bound of gradient clipping must be positive, not \(bound)")
    }
    let outer = builder.path
    defer { builder.path = outer }
    var clipped: [Value] = []
    var norms: [Value] = []
    switch self {
    case .value(let bound):
      for (gradient, path) in zip(gradients, paths) {
        builder.path = path
        clipped.append(try builder.clamp(gradient, -bound, bound))
      }
    case .norm(let bound):
      for (gradient, path) in zip(gradients, paths) {
        builder.path = path
        let norm = try builder.append(Unary(.sqrt), builder.sumOfSquares(gradient))
        norms.append(norm)
        clipped.append(try builder.append(Binary(.multiply), gradient, coefficient(norm, bound, &builder)))
      }
    case .globalNorm(let bound):
      var total: Value?
      for (gradient, path) in zip(gradients, paths) {
        builder.path = path
        let squares = try builder.sumOfSquares(gradient)
        total = if let total { try builder.append(Binary(.add), total, squares) } else { squares }
      }
      guard let total else { return ([], []) }
      builder.path = outer
      let norm = try builder.append(Unary(.sqrt), total)
      let factor = try coefficient(norm, bound, &builder)
      norms = [norm]
      for (gradient, path) in zip(gradients, paths) {
        builder.path = path
        clipped.append(try builder.append(Binary(.multiply), gradient, factor))
      }
    }
    return (clipped, norms)
  }

  private func coefficient(
    _ norm: Value, _ bound: Double, _ builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let limit = try builder.scalar(bound, norm.type.elementType)
    return try builder.append(Binary(.divide), limit, builder.append(Binary(.maximum), norm, limit))
  }
}

extension ProgramBuilder {
  fileprivate mutating func sumOfSquares(_ value: Value) throws(ProgramError) -> Value {
    try append(Reduce(.sumSquares, axes: Array(0..<value.shape.rank)), value)
  }
}

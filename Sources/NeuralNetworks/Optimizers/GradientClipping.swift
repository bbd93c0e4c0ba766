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
  /// g ← g · c / max(‖g‖, c): the coefficient is at most 1 and never divides by zero.
  ///
  /// Of finite gradients above 1e19 the sum of squares overflows Float32, and the coefficient would be 0: a step in
  /// silence. So the norm is taken a second time of 2⁻⁸⁰·g, where no square overflows, and that one counts where the
  /// first is infinite. Both join the finite flag that guards the updates: with `scalesNorms` the second, without it,
  /// as runs of the early rules have it, the first.
  func callAsFunction(
    _ gradients: [Value], paths: [String], scalesNorms: Bool, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> (gradients: [Value], norms: [Value]) {
    guard NumberRange.positive.contains(bound) else {
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
        let sums = try SquareSums(of: gradient, isScaled: scalesNorms, in: &builder)
        let (factor, norm) = try sums.coefficient(bound, in: &builder)
        norms.append(norm)
        clipped.append(try builder.append(Binary(.multiply), gradient, factor))
      }
    case .globalNorm(let bound):
      var total: SquareSums?
      for (gradient, path) in zip(gradients, paths) {
        builder.path = path
        let sums = try SquareSums(of: gradient, isScaled: scalesNorms, in: &builder)
        total = if let total { try total.adding(sums, in: &builder) } else { sums }
      }
      guard let total else { return ([], []) }
      builder.path = outer
      let (factor, norm) = try total.coefficient(bound, in: &builder)
      norms = [norm]
      for (gradient, path) in zip(gradients, paths) {
        builder.path = path
        clipped.append(try builder.append(Binary(.multiply), gradient, factor))
      }
    }
    return (clipped, norms)
  }
}

/// Σg², and the same of 2⁻⁸⁰·g, whose squares are finite for every finite g.
private struct SquareSums {
  var plain: Value
  var scaled: Value?
  private static let scale = 0x1p-80

  init(of gradient: Value, isScaled: Bool, in builder: inout ProgramBuilder) throws(ProgramError) {
    let square = Reduce(.sumSquares, axes: Array(0..<gradient.shape.rank))
    plain = try builder.append(square, gradient)
    guard isScaled else { return }
    scaled = try builder.append(square, builder.scale(gradient, by: Self.scale))
  }

  func adding(_ other: SquareSums, in builder: inout ProgramBuilder) throws(ProgramError) -> SquareSums {
    var sum = self
    sum.plain = try builder.append(Binary(.add), plain, other.plain)
    if let mine = scaled, let its = other.scaled { sum.scaled = try builder.append(Binary(.add), mine, its) }
    return sum
  }

  /// c / max(‖g‖, c), and the norm that is finite where every gradient is.
  func coefficient(
    _ bound: Double, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> (coefficient: Value, norm: Value) {
    let norm = try builder.append(Unary(.sqrt), plain)
    let factor = try Self.quotient(bound, norm, &builder)
    guard let scaled else { return (factor, norm) }
    let scaledNorm = try builder.append(Unary(.sqrt), scaled)
    let scaledFactor = try Self.quotient(bound * Self.scale, scaledNorm, &builder)
    let largest = try builder.scalar(Double(Float.greatestFiniteMagnitude), norm.type.elementType)
    let isFinite = try builder.append(Binary(.less), norm, largest)
    return (try builder.append(Select(), [isFinite, factor, scaledFactor])[0], scaledNorm)
  }

  private static func quotient(
    _ bound: Double, _ norm: Value, _ builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let limit = try builder.scalar(bound, norm.type.elementType)
    return try builder.append(Binary(.divide), limit, builder.append(Binary(.maximum), norm, limit))
  }
}

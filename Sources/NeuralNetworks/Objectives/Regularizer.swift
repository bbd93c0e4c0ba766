import SwitchbackPrograms

/// What a weight adds to the loss: l1·Σ|w| + l2·Σw² (Keras; no factor 1/2).
public struct Regularizer: Hashable, Codable, Sendable {
  public var l1: Double
  public var l2: Double

  public static func l1(_ factor: Double = 0.01) -> Regularizer { Regularizer(l1: factor, l2: 0) }
  public static func l2(_ factor: Double = 0.01) -> Regularizer { Regularizer(l1: 0, l2: factor) }
  public static func l1l2(l1: Double = 0.01, l2: Double = 0.01) -> Regularizer { Regularizer(l1: l1, l2: l2) }

  public init(l1: Double, l2: Double) {
    self.l1 = l1
    self.l2 = l2
  }

  /// The scalars to add.
  func penalties(of weight: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> [Value] {
    for (name, factor) in [("l1", l1), ("l2", l2)] where !NumberRange.factor.contains(factor) {
      throw ProgramError("\(name) must be a number\(NumberRange.factor.words), not \(factor)", path: builder.path)
    }
    var result: [Value] = []
    let axes = Array(0..<weight.shape.rank)
    if l1 != 0 {
      let magnitude = try builder.append(Unary(.absolute), weight)
      let sum = try builder.append(Reduce(.sum, axes: axes), magnitude)
      result.append(try builder.append(Binary(.multiply), sum, builder.scalar(l1, weight.type.elementType)))
    }
    if l2 != 0 {
      let sum = try builder.append(Reduce(.sumSquares, axes: axes), weight)
      result.append(try builder.append(Binary(.multiply), sum, builder.scalar(l2, weight.type.elementType)))
    }
    return result
  }
}

extension Regularizer: Configurable {
  package static let settings = Settings<Regularizer>(
    "regularizer", of: Regularizer(l1: 0, l2: 0), help: "What a weight's size adds to the loss",
    keys: [
      .number("l1", \.l1, in: .factor, help: "Times the sum of absolute values"),
      .number("l2", \.l2, in: .factor, help: "Times the sum of squares (no factor 1/2)"),
    ])
}

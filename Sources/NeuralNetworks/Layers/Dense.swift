import SwitchbackPrograms

/// `y = activation(x · kernel + bias)`: x `[N, in]`, kernel `[in, units]`, bias `[units]`, y `[N, units]`. Each token of
/// sequences x `[N, T, in]` is such a row: y `[N, T, units]`.
public struct Dense: UnaryLayer {
  public var units: Int
  public var activation: ActivationFunction
  public var useBias: Bool
  public var kernelInitializer: Initializer
  public var biasInitializer: Initializer
  public var kernelRegularizer: Regularizer?
  public var biasRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "dense" }
  public var masking: Masking { .passed }

  public init(
    _ units: Int, activation: ActivationFunction = .linear, useBias: Bool = true,
    kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros,
    kernelRegularizer: Regularizer? = nil, biasRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    self.units = units
    self.activation = activation
    self.useBias = useBias
    self.kernelInitializer = kernelInitializer
    self.biasInitializer = biasInitializer
    self.kernelRegularizer = kernelRegularizer
    self.biasRegularizer = biasRegularizer
    self.name = name
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.require(units > 0, "units must be positive, not \(units)")
    guard [2, 3].contains(input.shape.rank) else {
      throw context.mismatch(
        input, takes: "rows [N, features]", hint: input.shape.rank > 3 ? "put a flatten between" : "")
    }
    guard input.shape.rank == 3 else { return try rows(input, in: &context) }
    return try context.tokenwise([input]) { (rows, context) throws(ProgramError) in
      try self.rows(rows[0], in: &context)
    }
  }

  private func rows(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let kernel = try context.parameter(
      "kernel", [input.shape[1], units], initializer: kernelInitializer.gained(for: activation),
      regularizer: kernelRegularizer)
    var value = try context.append(MatrixMultiplication(), input, kernel)
    if useBias {
      let bias = try context.parameter("bias", [units], initializer: biasInitializer, regularizer: biasRegularizer)
      value = try context.append(Binary(.add), value, bias)
    }
    return try context.activate(value, activation)
  }
}

extension Dense: ConfigurableLayer {
  package static let settings = Settings<Dense>(
    "dense", of: Dense(1),
    help: "Every output a weighted sum of all inputs: rows [N, features], or tokens [N, T, features]",
    keys: [
      .integer("units", \.units, in: .extents, .required, help: "How many outputs"),
      .activation("activation", \.activation, help: "What the result passes through"),
      .bool("use_bias", \.useBias, help: "Whether a bias is added"),
      .initializer("kernel_initializer", \.kernelInitializer, help: "How the kernel starts"),
      .initializer("bias_initializer", \.biasInitializer, help: "How the bias starts"),
      .regularizer("kernel_regularizer", \.kernelRegularizer, help: "What the kernel's size adds to the loss"),
      .regularizer("bias_regularizer", \.biasRegularizer, help: "What the bias's size adds to the loss"),
    ])
}

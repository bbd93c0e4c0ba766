import SwitchbackPrograms

/// One block of a transformer's encoder (Vaswani et al., 2017, §3.1): multi-head attention of a sequence `[N, T, C]` to
/// itself, then two token-wise dense layers, each added to what it reads and normalized. The result is `[N, T, C]`.
///
/// Behind the sum: y = norm(x + f(x)), as in the paper; with `normalizeFirst` before f: y = x + f(norm(x)) (Xiong et al., 2020,
/// §3), which trains without a warm-up of the learning rate.
///
/// Each head has C / numHeads numbers. Dropout is on the weights of attention and on each f(x). Paths:
/// `selfAttention.query` … `selfAttention.attentionOutput`, `selfAttentionNormalization`, `feedforwardIntermediate`,
/// `feedforwardOutput`, `feedforwardNormalization`. Masked steps are not attended to, and the result has the mask.
public struct TransformerEncoder: UnaryLayer {
  /// Features between the two dense layers.
  public var intermediateDim: Int
  /// They divide C.
  public var numHeads: Int
  public var dropout: Double
  /// Between the two dense layers.
  public var activation: ActivationFunction
  public var layerNormEpsilon: Double
  public var normalizeFirst: Bool
  public var kernelInitializer: Initializer
  public var biasInitializer: Initializer
  public var name: String?
  public var kind: String { "transformerEncoder" }
  public var masking: Masking { .consumed }

  public init(
    intermediateDim: Int, numHeads: Int, dropout: Double = 0, activation: ActivationFunction = .relu,
    layerNormEpsilon: Double = 1e-5, normalizeFirst: Bool = false, kernelInitializer: Initializer = .glorotUniform,
    biasInitializer: Initializer = .zeros, name: String? = nil
  ) {
    (self.intermediateDim, self.numHeads, self.dropout) = (intermediateDim, numHeads, dropout)
    (self.activation, self.layerNormEpsilon, self.normalizeFirst) = (activation, layerNormEpsilon, normalizeFirst)
    (self.kernelInitializer, self.biasInitializer, self.name) = (kernelInitializer, biasInitializer, name)
  }

  public func callAsFunction(_ input: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    try context.require("num_heads", isExtent: numHeads)
    try context.require("intermediate_dim", isExtent: intermediateDim)
    try context.requireSequences(input)
    let width = input.shape[2]
    guard width % numHeads == 0 else {
      throw context.mismatch(
        input, takes: "sequences whose width num_heads, \(numHeads), divides", hint: "\(width) is no multiple of it")
    }
    let attended = try residual(context.madeOfTokens(input), "selfAttentionNormalization", in: &context) {
      (value, context) throws(ProgramError) in
      let attention = MultiHeadAttention(
        numHeads: numHeads, keyDim: width / numHeads, dropout: dropout, kernelInitializer: kernelInitializer,
        biasInitializer: biasInitializer)
      return try context.call(attention, at: "selfAttention", value)
    }
    return try residual(attended, "feedforwardNormalization", in: &context) { (value, context) throws(ProgramError) in
      let inner = try context.call(dense(intermediateDim, activation), at: "feedforwardIntermediate", value)
      return try context.call(dense(width, .linear), at: "feedforwardOutput", inner)
    }
  }

  private func dense(_ units: Int, _ activation: ActivationFunction) -> Dense {
    Dense(units, activation: activation, kernelInitializer: kernelInitializer, biasInitializer: biasInitializer)
  }

  /// The sum of a value and what `branch` makes of it, normalized before or behind.
  private func residual(
    _ input: Value, _ normalization: String, in context: inout LayerContext,
    _ branch: (Value, inout LayerContext) throws(ProgramError) -> Value
  ) throws(ProgramError) -> Value {
    func normalized(_ value: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
      try context.call(LayerNormalization(epsilon: layerNormEpsilon), at: normalization, value)
    }
    let read = normalizeFirst ? try normalized(input, in: &context) : input
    let made = try branch(read, &context)
    let sum = try context.tokenwise([input, made]) { (rows, context) throws(ProgramError) in
      try context.append(Binary(.add), rows[0], Dropout(dropout)(rows[1], in: &context))
    }
    try context.passMask(of: input, to: sum)
    return normalizeFirst ? sum : try normalized(sum, in: &context)
  }
}

extension TransformerEncoder: ConfigurableLayer {
  package static let settings = Settings<TransformerEncoder>(
    "transformer_encoder", of: TransformerEncoder(intermediateDim: 1, numHeads: 1),
    help: "A transformer's block: attention of sequences [N, T, C] to themselves, then two dense layers",
    keys: [
      .integer(
        "intermediate_dim", \.intermediateDim, in: .extents, .required, help: "Features between the two dense layers"),
      .integer("num_heads", \.numHeads, in: .extents, .required, help: "How many heads attend; they divide C"),
      .number("dropout", \.dropout, in: .kept, help: "The share of elements that become zero in training"),
      .activation("activation", \.activation, help: "What stands between the two dense layers"),
      .number(
        "layer_norm_epsilon", \.layerNormEpsilon, in: .epsilon, help: "Added to the variance by the normalizations"),
      .bool(
        "normalize_first", \.normalizeFirst, help: "Whether what is added is normalized before, not the sum behind"),
      .initializer("kernel_initializer", \.kernelInitializer, help: "How the kernels start"),
      .initializer("bias_initializer", \.biasInitializer, help: "How the biases start"),
    ])
}

import SwitchbackPrograms

/// Attention of several heads: each makes softmax(q·kᵀ/√keyDim)·v of projections q, k and v of its own, and one more
/// projection makes the result of what they give side by side (Vaswani et al., 2017, §3.2.2).
///
/// One input `[N, T, C]` attends to itself. Of two the first, the query `[N, T, C]`, attends to the second, the value
/// `[N, S, Cv]`; a third `[N, S, Ck]` is the key, which otherwise is the value. The result is `[N, T, outputShape]`.
///
/// Weights: `query/kernel` `[C, numHeads·keyDim]`, `key/kernel` `[Ck, numHeads·keyDim]`, `value/kernel`
/// `[Cv, numHeads·valueDim]`, `attentionOutput/kernel` `[numHeads·valueDim, outputShape]`, each with a `bias` of its
/// columns. They are Keras's, whose axes of heads and dimensions lie here in one: head h has the columns (of the last:
/// the rows) h·dim ..< (h + 1)·dim. Their first numbers are drawn for these matrices; Keras counts the inputs and outputs of
/// a unit by its three axes, so its `glorot_uniform` draws smaller ones.
///
/// Steps of the value or the key that a mask leaves out get no weight and no gradient, whatever stands there. With `useCausalMask` step t
/// attends to steps 0 … t alone. A query that has nothing left to attend to gets 0, so `attentionOutput/bias`. The
/// result has the query's mask.
public struct MultiHeadAttention: Layer {
  public var numHeads: Int
  /// Numbers of q and k in each head.
  public var keyDim: Int
  /// Numbers of v in each head; nil: `keyDim`.
  public var valueDim: Int?
  /// The share of weights of attention that become zero in training.
  public var dropout: Double
  public var useBias: Bool
  /// Features of the result; nil: as many as the query has.
  public var outputShape: Int?
  public var useCausalMask: Bool
  public var kernelInitializer: Initializer
  public var biasInitializer: Initializer
  public var kernelRegularizer: Regularizer?
  public var biasRegularizer: Regularizer?
  public var name: String?
  public var kind: String { "multiHeadAttention" }
  public var masking: Masking { .consumed }

  public init(
    numHeads: Int, keyDim: Int, valueDim: Int? = nil, dropout: Double = 0, useBias: Bool = true,
    outputShape: Int? = nil, useCausalMask: Bool = false, kernelInitializer: Initializer = .glorotUniform,
    biasInitializer: Initializer = .zeros, kernelRegularizer: Regularizer? = nil,
    biasRegularizer: Regularizer? = nil, name: String? = nil
  ) {
    (self.numHeads, self.keyDim, self.valueDim) = (numHeads, keyDim, valueDim)
    (self.dropout, self.useBias, self.outputShape) = (dropout, useBias, outputShape)
    self.useCausalMask = useCausalMask
    (self.kernelInitializer, self.biasInitializer) = (kernelInitializer, biasInitializer)
    (self.kernelRegularizer, self.biasRegularizer, self.name) = (kernelRegularizer, biasRegularizer, name)
  }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    let valueDim = valueDim ?? keyDim
    for (word, count) in [("num_heads", numHeads), ("key_dim", keyDim), ("value_dim", valueDim)] {
      try context.require(word, isExtent: count)
    }
    let (query, key, value) = try operands(inputs, in: &context)
    let mask = try context.jointMask(of: [value, key])
    // Ahead of the projections, whose kernels' gradients read the steps: 0 times NaN is not 0.
    let shownKey = try shown(key, where: mask, in: &context)
    let shownValue = try value == key ? shownKey : shown(value, where: mask, in: &context)
    let attendsToItself = query == key && query == value

    let q = try project(attendsToItself ? shownKey : query, "query", numHeads * keyDim, in: &context)
    let scaled = try context.tokenwise([q]) { (rows, context) throws(ProgramError) in
      try context.append(Binary(.multiply), rows[0], context.constant(1 / Double(keyDim).squareRoot()))
    }
    let k = try project(shownKey, "key", numHeads * keyDim, in: &context)
    // Where all weights are of masked steps, which then share them, nothing comes of it, not even the bias.
    let v = try shown(
      project(shownValue, "value", numHeads * valueDim, in: &context), where: mask, in: &context)
    let scores = try context.append(
      MatrixMultiplication(transposeB: true), heads(scaled, in: &context), heads(k, in: &context))
    let hidden = try context.hide(scores, keeping: mask, isCausal: useCausalMask)
    let weights = try Dropout(dropout)(context.append(Softmax(axis: 3), hidden), in: &context)
    let attended = try context.append(MatrixMultiplication(), weights, heads(v, in: &context))
    let joined = try join(attended, in: &context)
    let result = try project(joined, "attentionOutput", outputShape ?? query.shape[2], in: &context)
    try context.passMask(of: query, to: result)
    return [result]
  }

  /// Query, key and value, which fit to each other.
  private func operands(
    _ inputs: [Value], in context: inout LayerContext
  ) throws(ProgramError) -> (query: Value, key: Value, value: Value) {
    try context.require(
      (1...3).contains(inputs.count), "takes one input, or query, value and key, and gets \(inputs.count)")
    var read: [Value] = []
    for input in inputs {
      try context.requireSequences(input)
      let same = inputs[..<read.count].firstIndex(of: input)
      if let same { read.append(read[same]) } else { read.append(try context.madeOfTokens(input)) }
    }
    let (query, value) = (read[0], read[read.count > 1 ? 1 : 0])
    let key = read.count > 2 ? read[2] : value
    for other in [value, key] where other.shape[0] != query.shape[0] {
      throw context.misfit(query, other, "each sample attends to its own steps")
    }
    guard key.shape[1] == value.shape[1] else {
      throw context.misfit(value, key, "each step of the value has a key")
    }
    return (query, key, value)
  }

  /// Sequences with 0 at the steps that `mask` leaves out, whatever stands there.
  private func shown(
    _ sequences: Value, where mask: Value?, in context: inout LayerContext
  ) throws(ProgramError) -> Value {
    guard let mask else { return sequences }
    let result = try context.tokenwise([sequences]) { (rows, context) throws(ProgramError) in
      let isValid = try context.append(Reshape(shape: [mask.shape.elementCount, 1]), mask)
      return try context.append(Select(), isValid, rows[0], context.constant(0))
    }
    context.sources[result.id] = context.source(of: sequences)
    return result
  }

  private func project(
    _ value: Value, _ part: String, _ units: Int, in context: inout LayerContext
  ) throws(ProgramError) -> Value {
    let dense = Dense(
      units, useBias: useBias, kernelInitializer: kernelInitializer, biasInitializer: biasInitializer,
      kernelRegularizer: kernelRegularizer, biasRegularizer: biasRegularizer)
    return try context.call(dense, at: part, value)
  }

  /// `[N, T, heads·dim]` as one matrix a head, `[N, heads, T, dim]`.
  private func heads(_ value: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let (n, t, dim) = (value.shape[0], value.shape[1], value.shape[2] / numHeads)
    let tokens = context.origin(of: value, .tokenRows) ?? value
    guard numHeads > 1 else { return try context.append(Reshape(shape: [n, 1, t, dim]), tokens) }
    let split = try context.append(Reshape(shape: [n, t, numHeads, dim]), tokens)
    return try context.append(Transpose(permutation: [0, 2, 1, 3]), split)
  }

  /// `[N, heads, T, dim]` as `[N, T, heads·dim]`.
  private func join(_ value: Value, in context: inout LayerContext) throws(ProgramError) -> Value {
    let (n, t, dim) = (value.shape[0], value.shape[2], value.shape[3])
    let moved = numHeads > 1 ? try context.append(Transpose(permutation: [0, 2, 1, 3]), value) : value
    return try context.sequences(
      of: context.append(Reshape(shape: [n * t, numHeads * dim]), moved), .tokenRows, steps: t)
  }
}

extension MultiHeadAttention: ConfigurableLayer {
  package static let settings = Settings<MultiHeadAttention>(
    "multi_head_attention", of: MultiHeadAttention(numHeads: 1, keyDim: 1),
    help: "Each step a weighted mean of the steps it attends to: sequences [N, T, C], or query, value and key",
    keys: [
      .integer("num_heads", \.numHeads, in: .extents, .required, help: "How many heads attend side by side"),
      .integer("key_dim", \.keyDim, in: .extents, .required, help: "Numbers of a head's queries and keys"),
      .integer("value_dim", \.valueDim, in: .extents, help: "Numbers of a head's values; default: key_dim"),
      .number("dropout", \.dropout, in: .kept, help: "The share of weights that become zero in training"),
      .bool("use_bias", \.useBias, help: "Whether a bias is added to each projection"),
      .integer(
        "output_shape", \.outputShape, in: .extents, help: "Features of the result; default: those of the query"),
      .bool("use_causal_mask", \.useCausalMask, help: "Whether a step attends to no later one"),
      .initializer("kernel_initializer", \.kernelInitializer, help: "How the kernels start"),
      .initializer("bias_initializer", \.biasInitializer, help: "How the biases start"),
      .regularizer("kernel_regularizer", \.kernelRegularizer, help: "What the kernels' size adds to the loss"),
      .regularizer("bias_regularizer", \.biasRegularizer, help: "What the biases' size adds to the loss"),
    ])
}

extension LayerContext {
  /// Two inputs of attention do not fit to each other: the message names both layers and both shapes.
  fileprivate func misfit(_ a: Value, _ b: Value, _ rule: String) -> ProgramError {
    ProgramError(
      "attends from \(a.shape) of \(source(of: a)) to \(b.shape) of \(source(of: b)): \(rule)", path: path)
  }

  /// Scores `[N, heads, T, S]`, so low where a step is not attended to that softmax makes 0 of them.
  ///
  /// What is later lies below what is masked: where only masked steps are left they have all weight, and later ones none.
  fileprivate mutating func hide(
    _ scores: Value, keeping mask: Value?, isCausal: Bool
  ) throws(ProgramError) -> Value {
    let (n, t, s) = (scores.shape[0], scores.shape[2], scores.shape[3])
    let reached = isCausal && s > 1 ? try reached(from: t, of: s) : nil
    guard let mask else {
      guard let reached else { return scores }
      return try append(Select(), reached, scores, constant(-1e9))
    }
    let kept = try append(Reshape(shape: [n, 1, 1, s]), mask)
    guard let reached else { return try append(Select(), kept, scores, constant(-1e9)) }
    return try append(
      Select(), builder.both(kept, reached), scores, append(Select(), reached, constant(-1e9), constant(-2e9)))
  }

  /// Whether step j of `others` is no later than step i of `steps`: bool `[steps, others]`.
  ///
  /// Rows of a 1, some 0 and as many 1 are read again as rows that are one shorter. So each row begins one place before
  /// the one above it, and the 0 make a triangle.
  private mutating func reached(from steps: Int, of others: Int) throws(ProgramError) -> Value {
    let side = max(steps, others)
    let zeros = try append(Fill(value: 0, shape: [steps, side - 1], elementType: .float32))
    let rows = try append(Pad(low: [0, 1], high: [0, side], value: 1), zeros)
    let line = try append(Reshape(shape: [steps * 2 * side]), rows)
    let part = try append(Slice(starts: [0], sizes: [steps * (2 * side - 1)]), line)
    let triangle = try append(Reshape(shape: [steps, 2 * side - 1]), part)
    return try append(Cast(to: .bool), append(Slice(starts: [0, 0], sizes: [steps, others]), triangle))
  }
}

/// Which tensors of theirs make a weight of ours.
struct WeightRule {
  /// A weight of the unit.
  var ours: NetworkUnit.Weight
  /// Roles in their layer.
  var theirs: [String]
  var steps: [WeightStep] = []
}

extension NetworkUnit {
  /// How another framework holds this layer; empty where it has none such. Keras has our gates in our order.
  func rules(of framework: ForeignWeights.Framework) -> [WeightRule] {
    switch framework {
    case .switchback: weights.map { WeightRule(ours: $0, theirs: [$0.name]) }
    case .pytorch: weights.compactMap(pytorchRule)
    case .keras: weights.compactMap(kerasRule)
    }
  }

  private func pytorchRule(_ weight: Weight) -> WeightRule? {
    func rule(_ theirs: String..., steps: [WeightStep] = []) -> WeightRule {
      WeightRule(ours: weight, theirs: theirs, steps: steps)
    }
    switch (kind, weight.name) {
    case (.attention, _):
      let parts = weight.name.split(separator: "/")
      let isKernel = parts[1] == "kernel"
      guard let place = ["query", "key", "value"].firstIndex(of: parts[0]) else {
        return rule(isKernel ? "out_proj.weight" : "out_proj.bias", steps: isKernel ? [.transpose] : [])
      }
      let part = WeightStep.part(place + 1, of: 3)
      return rule(isKernel ? "in_proj_weight" : "in_proj_bias", steps: isKernel ? [part, .transpose] : [part])
    case (.lstm, "kernel"), (.simpleRNN, "kernel"): return rule("weight_ih", steps: [.transpose])
    case (.lstm, "recurrentKernel"), (.simpleRNN, "recurrentKernel"): return rule("weight_hh", steps: [.transpose])
    case (.lstm, "bias"), (.simpleRNN, "bias"): return rule("bias_ih", "bias_hh", steps: [.sum])
    case (.gru, "kernel"): return rule("weight_ih", steps: [.reorder([1, 0, 2]), .transpose])
    case (.gru, "recurrentKernel"): return rule("weight_hh", steps: [.reorder([1, 0, 2]), .transpose])
    // Their reset gate always stands behind its product: a bias of one row has no equal there.
    case (.gru, "bias") where weight.shape.count == 2:
      return rule("bias_ih", "bias_hh", steps: [.reorder([1, 0, 2]), .stack])
    case (.gru, _), (.separable, _): return nil
    case (.batchNormalization, "movingMean"): return rule("running_mean", steps: rows)
    case (.batchNormalization, "movingVariance"): return rule("running_var", steps: rows)
    case (.batchNormalization, "gamma"), (.normalization, "gamma"): return rule("weight", steps: rows)
    case (.batchNormalization, "beta"), (.normalization, "beta"): return rule("bias", steps: rows)
    case (.embedding, "embeddings"): return rule("weight")
    case (.dense, "kernel"): return rule("weight", steps: [.transpose] + rows)
    case (.convolution, "kernel"), (.depthwise, "depthwiseKernel"):
      guard isOverSequence, weight.shape[0] == 1 else { return rule("weight", steps: [.permute([2, 3, 1, 0])]) }
      return rule("weight", steps: [.permute([2, 1, 0]), widened(weight.shape)])
    case (_, "bias"): return rule("bias")
    default: return nil
    }
  }

  private func kerasRule(_ weight: Weight) -> WeightRule? {
    let words = [
      "recurrentKernel": "recurrent_kernel", "movingMean": "moving_mean", "movingVariance": "moving_variance",
      "depthwiseKernel": "depthwise_kernel", "pointwiseKernel": "pointwise_kernel",
    ]
    func rule(_ theirs: String, steps: [WeightStep] = []) -> WeightRule {
      WeightRule(ours: weight, theirs: [theirs], steps: steps)
    }
    if kind == .attention {
      let role = weight.name.replacingOccurrences(of: "attentionOutput", with: "attention_output")
      guard weight.name != "attentionOutput/bias", let last = weight.shape.last, heads > 0 else { return rule(role) }
      let from: [Int] =
        weight.name == "attentionOutput/kernel"
        ? [heads, weight.shape[0] / heads, last] : weight.shape.dropLast() + [heads, last / heads]
      return rule(role, steps: [.reshape(from: from, to: weight.shape)])
    }
    guard weight.shape.count == 4 else { return rule(words[weight.name] ?? weight.name) }
    // Ours has the filters of a channel side by side with those of the next, over sequences with a row before.
    let isDeep = kind == .depthwise || weight.name == "depthwiseKernel"
    let form = isOverSequence ? Array(weight.shape.dropFirst()) : weight.shape
    guard isDeep, let channels = inputShape.last, channels > 0 else {
      return rule(words[weight.name] ?? weight.name, steps: isOverSequence ? [widened(weight.shape)] : [])
    }
    let from = form.dropLast(2) + [channels, form[form.count - 1] / channels]
    return rule(
      kind == .depthwise && weight.name == "kernel" ? "kernel" : words[weight.name] ?? weight.name,
      steps: [.reshape(from: Array(from), to: weight.shape)])
  }

  private func widened(_ shape: [Int]) -> WeightStep { .reshape(from: Array(shape.dropFirst()), to: shape) }

  /// Where features were flattened from several channels and places, theirs stand channels first.
  private var rows: [WeightStep] {
    guard let flattened, flattened[0] > 1, flattened.dropFirst().reduce(1, *) > 1 else { return [] }
    return [.rows(flattened)]
  }
}

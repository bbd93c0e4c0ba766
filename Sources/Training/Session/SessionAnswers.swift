public import SwitchbackDatasets
import SwitchbackExecution
public import SwitchbackInference
import SwitchbackNeuralNetworks

/// What the network answers: evaluations, and predictions of samples.
extension TrainingSession {
  /// Loss and metrics over a data set: unless `weights` says otherwise with the moving average, where the step keeps one.
  /// `progress` hears at the beginning and after each batch how many samples are done.
  public func evaluate(
    _ dataset: any Dataset, weights: ModelWeights? = nil, progress: (Int) throws -> Void = { _ in }
  ) throws -> Evaluation {
    try evaluate(dataset, weights: weights, afterFirst: { _ in }, progress: progress)
  }

  /// `afterFirst` sees the first batch before its answers are counted.
  func evaluate(
    _ dataset: any Dataset, weights: ModelWeights?, afterFirst: (EvaluationExecutor) throws -> Void,
    progress: (Int) throws -> Void
  ) throws -> Evaluation {
    let layout = dataset.layout
    var tallies = step.objectives.enumerated().map { place, objective in
      ObjectiveTally(
        objective, name: String(step.prefix(of: objective).dropLast()), layout,
        metrics: metrics.indices.contains(place) ? metrics[place] : [])
    }
    var done = 0
    let order = BatchOrder(
      count: dataset.count, batchSize: try evaluationBatchSize(dataset.count, weights), isShuffled: false)
    try progress(0)
    for index in 0..<order.batchCount {
      let batch = order.batch(index)
      let evaluator = try evaluator(batch.count, weights)
      try evaluator.feed.fill(dataset, batch)
      try evaluator.executor.run()
      if index == 0 { try afterFirst(evaluator) }
      for (place, judged) in evaluator.judged.enumerated() {
        try tallies[place].add(judged, of: evaluator.executor, count: batch.count)
      }
      done += batch.count
      try progress(done)
    }
    let outputs = tallies.map(\.output)
    guard outputs.count > 1 else { return Evaluation(loss: outputs[0].loss, outputs: outputs) }
    return Evaluation(
      loss: zip(step.objectives, outputs).reduce(0) { $0 + $1.0.weight * $1.1.loss }, outputs: outputs)
  }

  /// The network's outputs for the samples at `indices`, behind the gate that the loss implies; `weights` as in
  /// `evaluate`.
  public func predict(
    _ dataset: any Dataset, _ indices: ArraySlice<Int32>, weights: ModelWeights? = nil
  ) throws -> [[Float]] {
    let evaluator = try evaluator(indices.count, weights)
    try evaluator.feed.fill(dataset, indices)
    try evaluator.executor.run()
    return try rows(evaluator.judged[0].predictions, indices.count, evaluator.executor)
  }

  /// The same of every objective's output, by its name.
  public func predictions(
    _ dataset: any Dataset, _ indices: ArraySlice<Int32>, weights: ModelWeights? = nil
  ) throws -> [String: [[Float]]] {
    let evaluator = try evaluator(indices.count, weights)
    try evaluator.feed.fill(dataset, indices)
    try evaluator.executor.run()
    var found: [String: [[Float]]] = [:]
    for judged in evaluator.judged {
      found[judged.name] = try rows(judged.predictions, indices.count, evaluator.executor)
    }
    return found
  }

  private func rows(_ output: OutputHandle, _ count: Int, _ executor: ProgramExecutor) throws -> [[Float]] {
    try executor.withOutput(output) { bytes in
      let values = Array(bytes.bindMemory(to: Float.self))
      let width = values.count / max(count, 1)
      return (0..<count).map { Array(values[$0 * width..<($0 + 1) * width]) }
    }
  }

  /// The same for one sample, row-major: pixels from 0 to 1. All steps of a sequence are valid.
  public func predict(_ sample: [Float], weights: ModelWeights? = nil) throws -> [Float] {
    guard sample.count == step.inputs[0].type.shape.elementCount else {
      throw DatasetError(.invalid, "\(sample.count) numbers are no sample of \(step.inputs[0].type.shape)")
    }
    let evaluator = try evaluator(1, weights)
    // The evaluation's program reads targets too: they are given zeros. A mask is lengths of the whole, or ones.
    let mask = step.inputs[0].mask
    let steps = mask?.isLengths == true ? step.inputs[0].type.shape[0] : 1
    let columns = try evaluator.executor.inputs.map { input throws(DatasetError) in
      let shape = Array(input.type.shape.extents.dropFirst())
      if input.name == step.inputs[0].name { return try column(of: sample, shape: shape) }
      let count = input.type.shape.elementCount
      let filler = input.name == mask?.name ? steps : 0
      return switch input.type.elementType {
      case .int32: .int32(input.name, [Int32](repeating: Int32(filler), count: count), shape: shape)
      case .uint8: .uint8(input.name, [UInt8](repeating: UInt8(filler), count: count), shape: shape)
      default: .float32(input.name, [Float](repeating: Float(filler), count: count), shape: shape)
      }
    }
    return try predict(try ArrayDataset(columns), [0], weights: weights)[0]
  }

  /// A sample as the field that the model reads.
  private func column(of sample: [Float], shape: [Int]) throws(DatasetError) -> ArrayDataset.Column {
    let input = step.inputs[0]
    guard let scale = input.scale else { return .float32(input.name, sample, shape: shape) }
    guard let bytes = Field(input.name, .uint8, shape, scale: scale).bytes(for: sample) else {
      throw DatasetError(.invalid, "the network reads bytes that stand for numbers from 0 to \(255 * scale)")
    }
    return .uint8(input.name, bytes, shape: shape, scale: scale)
  }
}

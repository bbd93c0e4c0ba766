import SwitchbackPrograms

/// A layer as a table of the model shows it.
public struct LayerSummary: Hashable, Sendable, Codable {
  /// `layers.2.conv2d`
  public var path: String
  /// Of its output, with the batch.
  public var outputShape: [Int]
  /// Weights that it declares itself, trained or not.
  public var parameterCount: Int
}

extension TrainingStep {
  /// The model's layers in the order in which they compute.
  public func layers(batchSize: Int) throws(ProgramError) -> [LayerSummary] {
    let traced = try TracedModel(
      model, inputs: inputs, batchSize: batchSize, programName: "layers", isTraining: true)
    return traced.outputs.map { path, value in
      let weights = traced.parameters.filter { $0.path == path }
      return LayerSummary(
        path: path, outputShape: value.shape.extents,
        parameterCount: weights.reduce(0) { $0 + $1.type.shape.elementCount })
    }
  }
}

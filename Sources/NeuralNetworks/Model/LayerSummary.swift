import SwitchbackPrograms

/// A layer as a table or a drawing of the model shows it.
public struct LayerSummary: Hashable, Sendable, Codable {
  /// `layers.2.conv2d`
  public var path: String
  /// Of its output, with the batch.
  public var outputShape: [Int]
  /// Weights that it declares itself, trained or not.
  public var parameterCount: Int
  /// The layers and fields whose numbers it computes with; none where it only holds other layers.
  public var inputs: [String]

  public init(path: String, outputShape: [Int], parameterCount: Int, inputs: [String]) {
    (self.path, self.outputShape, self.parameterCount, self.inputs) = (path, outputShape, parameterCount, inputs)
  }
}

extension TrainingStep {
  /// The model's layers in the order in which they compute.
  public func layers(batchSize: Int) throws(ProgramError) -> [LayerSummary] {
    let traced = try TracedModel(
      model, inputs: inputs, batchSize: batchSize, programName: "layers", isTraining: true)
    let read = Self.inputsByPath(traced.builder.program)
    var counts: [String: Int] = [:]
    for parameter in traced.parameters { counts[parameter.path, default: 0] += parameter.type.shape.elementCount }
    return traced.outputs.map { path, value in
      LayerSummary(
        path: path, outputShape: value.shape.extents, parameterCount: counts[path] ?? 0, inputs: read[path] ?? [])
    }
  }

  /// By layer: the layers and fields whose values its calls read, in the order of reading.
  private static func inputsByPath(_ program: Program) -> [String: [String]] {
    var makers: [Int: String] = [:]
    for id in program.values(.input) { makers[id] = program.values[id].name }
    var inputs: [String: [String]] = [:]
    for call in program.calls {
      for maker in call.inputs.compactMap({ makers[$0] }) where maker != call.path {
        if !inputs[call.path, default: []].contains(maker) { inputs[call.path, default: []].append(maker) }
      }
      for case let output? in call.outputs { makers[output] = call.path }
    }
    return inputs
  }
}

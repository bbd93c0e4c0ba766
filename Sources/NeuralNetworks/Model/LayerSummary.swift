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

extension TracedModel {
  /// The model's layers in the order in which they compute. The program must still be the model's alone.
  var layers: [LayerSummary] {
    let read = Self.inputsByPath(builder.program)
    var counts: [String: Int] = [:]
    for parameter in parameters where !parameter.isPerSample {
      counts[parameter.path, default: 0] += parameter.type.shape.elementCount
    }
    return outputs.map { path, value in
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

import SwitchbackInference
import SwitchbackInterchange
import SwitchbackNeuralNetworks

// A checkpoint for whoever only evaluates and predicts.
extension Checkpoint {
  /// Whether only training needs a state: an optimizer's slot, an accumulator, class weights. `names` are those of all
  /// states: slots are called by the weight that they belong to.
  static func isOnlyForTraining(_ name: String, among names: Set<String>) -> Bool {
    parameter(of: name, "optimizer", hasSlot: true, among: names) != nil
      || parameter(of: name, "accumulator", among: names) != nil || TrainingStep.isClassWeights(name)
  }

  /// The parameter that a state belongs to, where it is one of that kind: `optimizer/<parameter>/<slot>`,
  /// `ema/<parameter>`.
  static func parameter(of name: String, _ kind: String, hasSlot: Bool = false, among names: Set<String>) -> String? {
    guard name.hasPrefix(kind + "/") else { return nil }
    var rest = name.dropFirst(kind.count + 1)
    if hasSlot { rest = rest[..<(rest.lastIndex(of: "/") ?? rest.startIndex)] }
    return names.contains(String(rest)) ? String(rest) : nil
  }

  /// The same without what only training needs.
  var withoutTraining: Checkpoint {
    let names = Set(tensors.tensors.map(\.name))
    var checkpoint = self
    checkpoint.tensors.tensors.removeAll { Self.isOnlyForTraining($0.name, among: names) }
    return checkpoint
  }

  /// The network's weights by the parameters' names: unless said otherwise the moving average of those that have one.
  func weights(
    _ wanted: ModelWeights? = nil
  ) throws(CheckpointMismatch) -> (tensors: [String: Safetensors.Tensor], weights: ModelWeights) {
    let names = Set(tensors.tensors.map(\.name))
    var (weights, averages) = ([String: Safetensors.Tensor](), [String: Safetensors.Tensor]())
    for tensor in withoutTraining.tensors.tensors {
      if let parameter = Self.parameter(of: tensor.name, "ema", among: names) {
        averages[parameter] = Safetensors.Tensor(
          name: parameter, type: tensor.type, shape: tensor.shape, bytes: tensor.bytes)
      } else {
        weights[tensor.name] = tensor
      }
    }
    guard wanted != .averaged || !averages.isEmpty else {
      throw CheckpointMismatch(message: "the run keeps no average of its weights")
    }
    if wanted == .raw || averages.isEmpty { return (weights, .raw) }
    return (weights.merging(averages) { $1 }, .averaged)
  }
}

extension TrainingSession {
  /// Takes a checkpoint's weights and their averages, and makes no other state.
  func takeWeights(of checkpoint: Checkpoint, _ parameters: [Parameter]) throws {
    for parameter in parameters {
      _ = try states.state(parameter.name, parameter.type)
      guard step.averageMomentum != nil, parameter.isTrainable else { continue }
      _ = try states.state(parameter.averageName, parameter.type)
    }
    try restoreStates(of: checkpoint.withoutTraining)
  }
}

import SwitchbackPrograms

extension Program {
  /// How many numbers it answers for a sample.
  var outputCount: Int { output(named: "predictions").map { values[$0].type.shape.elementCount } ?? 0 }

  /// Why this is no program that answers for one sample of a shape; nil where it is. A file may hold any program: none
  /// that passes changes a weight, asks for a value that nobody gives, or needs more memory than `largestWork`.
  func faultOfInference(on shape: [Int]) -> String? {
    guard shape.allSatisfy({ $0 > 0 }), Shape([1] + shape).isAddressable else {
      return "samples \(shape) have no element"
    }
    let (inputs, wanted) = (values(.input), TensorType.float32(Shape([1] + shape)))
    guard inputs.count == 1, values[inputs[0]].type == wanted else {
      return "it takes \(inputs.map { values[$0].type.description }.joined(separator: ", ")), not one \(wanted)"
    }
    if let step = values(.step).first { return "\(values[step].name) would have to be given anew for each sample" }
    guard outputs.count == 1, let output = output(named: "predictions") else { return "it has no output predictions" }
    let answer = values[output].type
    guard answer.elementType == .float32, answer.shape.rank >= 1, answer.shape[0] == 1, answer.shape.elementCount > 0
    else { return "it answers \(answer)" }
    for call in calls {
      if let id = call.outputs.compactMap({ $0 }).first(where: { values[$0].role != .temporary }) {
        return "\(call.label) changes \(values[id].name)"
      }
    }
    let work = values.filter { $0.role == .temporary }.reduce(0.0) {
      $0 + Double($1.type.shape.elementCount) * Double($1.type.elementType.byteCount)
    }
    return work <= Self.largestWork ? nil : "one sample needs \(Int(work / 1e9)) GB"
  }

  /// Bytes of all that is computed for one sample.
  private static let largestWork = 8e9

  /// Whether the output comes from a softmax or sigmoid.
  var answersProbabilities: Bool {
    guard var value = output(named: "predictions") else { return false }
    while let call = calls.last(where: { $0.outputs.contains(value) }) {
      if call.gate != nil { return true }
      guard call.operation is Reshape else { return false }
      value = call.inputs[0]
    }
    return false
  }
}

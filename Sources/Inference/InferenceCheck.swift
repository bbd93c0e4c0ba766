import SwitchbackDatasets
import SwitchbackPrograms

extension Program {
  /// The name under which it answers an output: `predictions`, of several `digit/predictions`.
  static func answerName(_ output: SampleFormat.Output, in samples: SampleFormat) -> String {
    answerPrefix(output, in: samples) + "predictions"
  }

  /// The name under which it says which of the steps of an output are valid, where it does: `mask`, `digit/mask`.
  static func maskName(_ output: SampleFormat.Output, in samples: SampleFormat) -> String? {
    guard case .stepClasses = output.targets else { return nil }
    return answerPrefix(output, in: samples) + "mask"
  }

  private static func answerPrefix(_ output: SampleFormat.Output, in samples: SampleFormat) -> String {
    samples.outputs.count == 1 ? "" : output.name + "/"
  }

  /// How many numbers it answers for each output of a sample.
  func answerCounts(_ samples: SampleFormat) -> [Int] {
    samples.outputs.map { output in
      self.output(named: Self.answerName(output, in: samples)).map { values[$0].type.shape.elementCount } ?? 0
    }
  }

  /// Why this is no program that answers for one such sample; nil where it is. A file may hold any program: none that
  /// passes changes a weight, asks for a value that nobody gives, or needs more memory than `largestWork`.
  func faultOfInference(on samples: SampleFormat) -> String? {
    if let fault = samples.faultOfNames ?? faultOfInputs(samples) { return fault }
    if let step = values(.step).first { return "\(values[step].name) would have to be given anew for each sample" }
    if let fault = faultOfAnswers(samples) { return fault }
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

  private func faultOfInputs(_ samples: SampleFormat) -> String? {
    var wanted: [String: TensorType] = [:]
    for input in samples.inputs {
      guard input.shape.allSatisfy({ $0 > 0 }), Shape([1] + input.shape).isAddressable else {
        return "samples \(input.shape) have no element"
      }
      wanted[input.name] = TensorType(ElementType(input.elementType), Shape([1] + input.shape))
    }
    let taken = values(.input).map { values[$0] }
    // No program has two inputs of one name.
    if taken.count == wanted.count, taken.allSatisfy({ wanted[$0.name] == $0.type }) { return nil }
    if samples.inputs.count == 1, let type = wanted[samples.inputs[0].name] {
      return "it takes \(taken.map(\.type.description).joined(separator: ", ")), not one \(type)"
    }
    return "it takes \(taken.map { "\($0.name) \($0.type)" }.joined(separator: ", ")), not "
      + samples.inputs.map { "\($0.name) \(wanted[$0.name]?.description ?? "")" }.joined(separator: ", ")
  }

  private func faultOfAnswers(_ samples: SampleFormat) -> String? {
    let names = samples.outputs.map { Self.answerName($0, in: samples) }
    for name in names {
      guard let output = output(named: name) else { return "it has no output \(name)" }
      let answer = values[output].type
      guard answer.elementType == .float32, answer.shape.rank >= 1, answer.shape[0] == 1, answer.shape.elementCount > 0
      else { return "it answers \(answer)" }
    }
    var masks = 0
    for output in samples.outputs {
      guard case .stepClasses(let steps) = output.targets, let name = Self.maskName(output, in: samples),
        let mask = self.output(named: name)
      else { continue }
      guard values[mask].type == TensorType(.bool, [1, steps]) else {
        return "it says by \(values[mask].type) which of \(steps) steps are valid"
      }
      masks += 1
    }
    return outputs.count == names.count + masks ? nil : "it has other outputs than \(names.joined(separator: ", "))"
  }

  /// Whether an output comes from a softmax or sigmoid.
  func answersProbabilities(_ name: String) -> Bool {
    guard var value = output(named: name) else { return false }
    while let call = calls.last(where: { $0.outputs.contains(value) }) {
      if call.probabilityGate != nil { return true }
      guard call.operation is Reshape else { return false }
      value = call.inputs[0]
    }
    return false
  }
}

import SwitchbackExecution
import SwitchbackNeuralNetworks
import SwitchbackPrograms

extension ProgramBuilder {
  /// Answers what the optimizer gets for the smaller weights, of at most so many bytes in all and of one at least. The names
  /// of these outputs come back, one a trainable weight.
  ///
  /// A law computes updates anew of them. A backend writes them beside what it computes with them, so no bit changes.
  mutating func answerGradients(of trace: TrainingTrace, mostBytes: Int) -> [String?] {
    var names = [String?](repeating: nil, count: trace.parameters.count)
    var left = mostBytes
    let bySize = trace.parameters.indices.sorted { trace.byteCount(of: $0) < trace.byteCount(of: $1) }
    for (place, index) in bySize.enumerated() {
      let parameter = trace.parameters[index]
      left -= trace.byteCount(of: index)
      guard place == 0 || left >= 0 else { break }
      guard parameter.parameter.type.elementType == .float32 else { continue }
      names[index] = "applied/\(parameter.parameter.name)"
      output("applied/\(parameter.parameter.name)", parameter.appliedGradient)
    }
    return names
  }
}

extension TrainingTrace {
  fileprivate func byteCount(of index: Int) -> Int { parameters[index].parameter.type.byteCount }
}

extension TrainingSession {
  /// How much of gradients a probed step answers. From a device's memory they are copied.
  var mostGradientBytes: Int {
    chain.links.contains { $0.device.info.hasPrivateMemory } ? 256 << 10 : 4 << 20
  }
}

import SwitchbackExecution
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// What a probed step answers besides its probes, for laws to compute anew: gradients as the optimizer gets them, and
/// statistics of the batch. A backend writes them beside what it computes with them, so no bit changes.
struct AnsweredValues {
  /// Names of outputs, one a trainable weight; nil of what is too large.
  var gradients: [String?] = []
  var statistics: [Statistic] = []

  /// A running statistic that moves by momentum·old + share·batch.
  struct Statistic {
    /// `layers.1.batchNormalization/movingMean`
    let state: String
    /// The output that has that of the batch.
    let output: String
    let momentum: Double
    let share: Double
  }
}

extension ProgramBuilder {
  /// Answers gradients of the smaller weights, of at most so many bytes in all and of one at least, and all statistics.
  mutating func answer(_ trace: TrainingTrace, mostBytes: Int) -> AnsweredValues {
    var answered = AnsweredValues(gradients: [String?](repeating: nil, count: trace.parameters.count))
    var left = mostBytes
    func byteCount(_ index: Int) -> Int { trace.parameters[index].parameter.type.byteCount }
    for (place, index) in trace.parameters.indices.sorted(by: { byteCount($0) < byteCount($1) }).enumerated() {
      left -= byteCount(index)
      guard place == 0 || left >= 0 else { break }
      let trace = trace.parameters[index]
      answered.gradients[index] = "applied/\(trace.parameter.name)"
      output("applied/\(trace.parameter.name)", trace.appliedGradient)
    }
    for (state, batch, momentum, share) in movingStates() {
      answered.statistics.append(
        .init(state: state, output: "batch/\(state)", momentum: momentum, share: share))
      output("batch/\(state)", batch)
    }
    return answered
  }

  /// The states that are assigned select(allow, state · momentum + batch · share, state).
  private func movingStates() -> [(state: String, batch: Value, momentum: Double, share: Double)] {
    var makers: [Int: Program.Call] = [:]
    for call in program.calls { for case let output? in call.outputs { makers[output] = call } }
    func constant(_ value: Int) -> Double? {
      guard let fill = makers[value]?.operation as? Fill, fill.shape.isEmpty else { return nil }
      return fill.value
    }
    /// The operands of a call.
    func operands(_ value: Int, _ function: BinaryFunction) -> (Int, Int)? {
      guard let call = makers[value], (call.operation as? Binary)?.function == function else { return nil }
      return (call.inputs[0], call.inputs[1])
    }
    return program.calls.compactMap { call in
      guard call.operation is Assign, let kept = makers[call.inputs[1]], kept.operation is Select,
        let (old, new) = operands(kept.inputs[1], .add),
        let (state, momentum) = operands(old, .multiply), state == call.inputs[0], kept.inputs[2] == state,
        let (batch, share) = operands(new, .multiply), let momentum = constant(momentum),
        let share = constant(share), program.values[batch].role == .temporary
      else { return nil }
      return (program.values[state].name, Value(id: batch, type: program.values[batch].type), momentum, share)
    }
  }
}

extension TrainingSession {
  /// How much of gradients a probed step answers. From a device's memory they are copied.
  var mostGradientBytes: Int {
    chain.links.contains { $0.device.info.hasPrivateMemory } ? 256 << 10 : 4 << 20
  }
}

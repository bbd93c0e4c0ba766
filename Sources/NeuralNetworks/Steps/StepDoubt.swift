import SwitchbackPrograms

extension TrainingStep {
  /// A warning for a legal but probably unintended end of the network, or nil.
  public func doubt(of inference: InferenceProgram) -> String? {
    let program = inference.program
    return objectives.lazy.compactMap { objective in
      doubt(of: objective.loss, program.output(named: prefix(of: objective) + StepOutput.predictions), in: program)
    }.first
  }

  private func doubt(of loss: any Loss, _ output: Int?, in program: Program) -> String? {
    func maker(of value: Int) -> Program.Call? { program.calls.last { $0.outputs.contains(value) } }
    guard let output, let last = maker(of: output) else { return nil }
    if loss.impliedGate != nil {
      guard let inner = maker(of: last.inputs[0]), let gate = inner.probabilityGate else { return nil }
      return "the loss takes the results of \(inner.path) for logits (training.loss.from_logits), but they come from a "
        + "\(gate) already: leave that activation out, or set from_logits to false"
    }
    guard let activation = loss.activation else { return nil }
    if last.operation is Softmax, program.values[output].type.shape.extents.last == 1 {
      return "a softmax of the single output of \(last.path) is always 1: end the network with activation: sigmoid"
    }
    if last.operation is Reshape || last.probabilityGate != nil { return nil }
    return "the loss takes the results of \(last.path) for probabilities, but they come from no \(activation): end "
      + "the network with activation: \(activation), or set training.loss.from_logits to true"
  }
}

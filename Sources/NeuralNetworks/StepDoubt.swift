import SwitchbackPrograms

extension TrainingStep {
  /// What is no error, yet hardly meant; nil where nothing is. Today: a loss that takes any numbers for probabilities.
  public func doubt(of inference: InferenceProgram) -> String? {
    let program = inference.program
    let output = program.output(named: "predictions")
    guard let activation = loss.activation,
      let last = program.calls.last(where: { $0.outputs.contains(output) })
    else { return nil }
    switch last.operation {
    case is Softmax, is Reshape: return nil
    case let unary as Unary where [.sigmoid, .hardSigmoid].contains(unary.function): return nil
    default:
      return "the loss takes the results of \(last.path) for probabilities, but they come from no \(activation): end "
        + "the network with activation: \(activation), or set training.loss.from_logits to true"
    }
  }
}

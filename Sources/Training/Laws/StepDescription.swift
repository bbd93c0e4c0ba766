public import SwitchbackMonitoring
public import SwitchbackNeuralNetworks

extension StepDescription {
  /// What laws see of a training step, and of its program that predicts.
  public init(_ training: TrainingProgram, of step: TrainingStep, predicting inference: InferenceProgram? = nil) {
    let gradients = Dictionary(training.trace.parameters.map { ($0.parameter.name, $0.gradient.id) }) { first, _ in
      first
    }
    self.init(
      program: training.program,
      weights: training.parameters.map {
        Weight(name: $0.name, layer: $0.path, isTrainable: $0.isTrainable, gradient: gradients[$0.name])
      },
      // Others only hold layers.
      layers: training.layers.filter { !$0.inputs.isEmpty }.map(\.path),
      initialized: training.states.map(\.name), clips: step.clipping != nil && step.accumulationSteps == 1,
      doubt: inference.flatMap { step.doubt(of: $0) }, evaluation: inference?.program)
  }
}

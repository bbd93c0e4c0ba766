public import SwitchbackDatasets
public import SwitchbackNeuralNetworks
import SwitchbackPrograms

extension Configuration {
  /// The training step of this experiment on samples of `sampleShape` (without the batch).
  public func trainingStep(sampleShape: [Int], targets: DatasetTargets) -> TrainingStep {
    var step = TrainingStep(
      model: model, sampleShape: Shape(sampleShape), loss: training.loss, optimizer: training.optimizer,
      targets: targets == .classes ? .classes : .values, classWeights: training.classWeights,
      clipping: training.clipping, accumulationSteps: training.accumulationSteps,
      averageMomentum: training.averageMomentum)
    step.scalesNorms = training.scalesNorms
    return step
  }

  /// This configuration for a run that goes on from a checkpoint: with the program that the run was begun with, where
  /// later ones have another. Without a checkpoint it is the same.
  public func goingOn(from checkpoint: Checkpoint?) -> Configuration {
    var configuration = self
    if let checkpoint, checkpoint.position.hasEarlyRules { configuration.training.scalesNorms = false }
    return configuration
  }

  /// The chosen backend, then what operations fall back to.
  public var backendNames: [String] {
    var names = [backend.name]
    for name in backend.fallback where !names.contains(name) { names.append(name) }
    return names
  }
}

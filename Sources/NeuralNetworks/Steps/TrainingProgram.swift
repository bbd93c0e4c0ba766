import SwitchbackPrograms

/// A trainable weight with everything the step knows of it.
public struct ParameterTrace: Sendable {
  public let parameter: Parameter
  /// Of the loss with its regularizers, for this batch.
  public let gradient: Value
  /// What the optimizer gets: averaged over accumulated batches, and clipped.
  public let appliedGradient: Value
  /// New − old weight. Nobody writes it unless a probe reads it.
  public let update: Value
}

/// What a probe can read of a training step.
public struct TrainingTrace: Sendable {
  /// In the order of the layers.
  public let gates: [Gate]
  /// The values of the network whose gradients tell who takes it, in the order in which they are computed.
  public let points: [WayPoint]
  /// The trainable weights, in the order of the layers.
  public let parameters: [ParameterTrace]
  /// f32 `[]`, with regularizers.
  public let loss: Value
  /// bool `[]`: whether loss and gradients are finite, so that the update was allowed.
  public let isFinite: Value
}

/// A training step as data: forward, loss, backward, update.
public struct TrainingProgram: Sendable {
  /// Its inputs are those of the model and the fields that objectives judge by. Outputs: `loss` f32 `[]`, `isFinite` bool
  /// `[]` and, where labels are classes, `correct` f32 `[]` (how many of the batch; the sum of their weights, where
  /// samples have weights, with `weightSum`). Of several objectives each has `digit/loss`, `digit/correct`.
  public let program: Program
  /// With gradient accumulation over k batches: the program for the first k − 1 of them. Same inputs, same outputs but
  /// `isFinite`. None beside a program for fewer than k, or with probes: it is the one beside the program without.
  public let accumulation: Program?
  /// How many batches make an update.
  public let accumulationSteps: Int
  /// The model's layers, in the order in which they compute.
  public let layers: [LayerSummary]
  /// All weights, in the order of the layers.
  public let parameters: [Parameter]
  /// Every state of both programs, weights first, and how it starts. States of different programs with the same name
  /// are the same memory.
  public let states: [InitialState]
  public let trace: TrainingTrace
  public let stepValues: StepValues

  /// How many numbers are trained.
  public var trainableCount: Int {
    parameters.reduce(0) { $0 + ($1.isTrainable ? $1.type.shape.elementCount : 0) }
  }

  public var gates: [Gate] { trace.gates }
}

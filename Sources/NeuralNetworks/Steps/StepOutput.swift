/// What the outputs of a step's programs are called, behind `TrainingStep.prefix(of:)` where there are several objectives.
package enum StepOutput {
  /// Of training, f32 `[]`: of the step with its regularizers, and of each of several objectives without. A mean over the
  /// batch.
  package static let loss = "loss"
  /// Of training on classes, `[]`: how many samples of the batch are right or, of samples with weights, their weight.
  package static let correct = "correct"
  /// Of training on samples with weights, f32 `[]`: all weight of the batch. Of classes by masked steps: how many are
  /// valid, each with its sample's weight.
  package static let weightSum = "weightSum"
  /// Of a program that updates, a bool `[]`: whether it did.
  package static let isFinite = "isFinite"
  /// Of evaluation and prediction, `[N, …]`: behind the gate that the loss implies. Trained models' files have it too.
  package static let predictions = "predictions"
  /// Of evaluation where steps are masked, and of prediction where they have classes, bool `[N, T]`: the valid ones.
  package static let mask = "mask"
  /// Of evaluation, f32 `[]`: over the batch, without class weights and regularizers.
  package static let lossSum = "lossSum"
  /// Of evaluation where weights have regularizers, f32 `[]`.
  package static let regularization = "regularization"
}

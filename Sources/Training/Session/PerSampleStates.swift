import SwitchbackDatasets
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// States that a batch leaves to the next, sample by sample (`stateful`): all batches have one size and come in the order of
/// the data, so that the next part of a sequence stands where the one before stood.
extension TrainingSession {
  /// A layer that keeps such states, by its path; nil where none does.
  var statefulLayer: String? { parameters.first(where: \.isPerSample)?.path }

  /// Throws where an epoch of so many samples has a last batch of another size.
  func checkBatchSize(training count: Int, dropsLast: Bool) throws(DatasetError) {
    guard !dropsLast, count % batchSize != 0, let path = statefulLayer else { return }
    throw DatasetError(
      .invalid, Self.changing(path, from: batchSize, to: "\(count % batchSize), which \(count) samples leave,"))
  }

  /// Throws where a step of that many samples would go on from states of others.
  func checkBatchSize(_ size: Int) throws(ProgramError) {
    guard size != batchSize, let parameter = parameters.first(where: \.isPerSample) else { return }
    throw ProgramError(Self.changing("the layer", from: batchSize, to: "\(size)"), path: parameter.path)
  }

  private static func changing(_ layer: String, from size: Int, to other: String) -> String {
    "\(layer) is stateful: its states are of \(size) samples, which go on in the next batch, and a batch of \(other) cannot "
      + "follow. Set training.last_batch: drop, or a training.batch_size that divides the training samples"
  }
}

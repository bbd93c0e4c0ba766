import SwitchbackDatasets
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// States that a batch leaves to the next, sample by sample (`stateful`): the sample at a place of a batch begins with the
/// states that the sample at the same place of the batch before ended with.
///
/// That is right where all batches have one size, come in the order of the data, and the sample of a place begins with the
/// step behind the last of the sample at that place of the batch before. Of a time series, whose windows begin every
/// `stride` steps, sample i of batch b begins with step (b · `batchSize` + i) · `stride`, and that of the next batch
/// `batchSize` · `stride` steps later: it goes on exactly where `batchSize` · `stride` = `window`. Below, steps are read
/// again by states that know them; above, steps between are never read. Of other data only its maker knows what follows what.
/// States are not cleared between epochs, so the first batch of one begins with those of the last.
struct PerSampleStates {
  /// The first layer that keeps such states, by its path.
  let layer: String
  let batchSize: Int

  /// Nil where none of these parameters is such a state.
  init?(_ parameters: [Parameter], batchSize: Int) {
    guard let path = parameters.first(where: \.isPerSample)?.path else { return nil }
    (layer, self.batchSize) = (path, batchSize)
  }

  /// Why an epoch of so many samples, whose last batch is smaller, cannot be trained on; nil where it can.
  func fault(training count: Int, dropsLast: Bool) -> ProgramError? {
    let rest = count % batchSize
    return dropsLast || rest == 0 ? nil : fault(changingTo: "\(rest), which \(count) samples leave,")
  }

  func fault(changingTo size: String) -> ProgramError {
    ProgramError(
      "the layer is stateful: its states are of \(batchSize) samples, which go on in the next batch, and a batch of \(size) "
        + "cannot follow. Set training.last_batch: drop, or a training.batch_size that divides the training samples",
      path: layer)
  }

  /// Why the windows of a series do not go on with those of the batch before, and what to set; nil where they do, and of data
  /// that is no series.
  func note(of record: DatasetRecord?) -> String? {
    guard let stride = record?.series?.stride, let window = record?.inputs.first?.shape.first else { return nil }
    let ahead = batchSize * stride
    guard ahead != window else { return nil }
    let why =
      ahead < window
      ? "\(window - ahead) of its \(window) steps are read again" : "\(ahead - window) steps between are left out"
    let size = window.isMultiple(of: stride) ? ", or training.batch_size to \(window / stride)" : ""
    return
      "\(layer) is stateful, but no window begins where that of the batch before ended: training.batch_size \(batchSize) "
      + "times data.stride \(stride) is \(ahead), and data.window is \(window), so \(why). Set data.window to \(ahead)\(size)"
  }
}

extension TrainingSession {
  var perSampleStates: PerSampleStates? { PerSampleStates(parameters, batchSize: batchSize) }

  /// Throws where a step of that many samples would go on from states of others.
  func checkBatchSize(_ size: Int) throws(ProgramError) {
    guard size != batchSize, let states = perSampleStates else { return }
    throw states.fault(changingTo: "\(size)")
  }
}

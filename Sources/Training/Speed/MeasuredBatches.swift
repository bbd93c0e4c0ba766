import SwitchbackDatasets

/// Whole batches of a training part, in the order of a run's first epoch and again from its first: what is measured is fed
/// as a run is.
struct MeasuredBatches {
  let dataset: any Dataset
  private let order: BatchOrder

  init(_ dataset: any Dataset, of configuration: Configuration) throws(DatasetError) {
    let size = configuration.training.batchSize
    self.dataset = dataset
    order = BatchOrder(
      count: dataset.count, batchSize: size, seed: Int64(configuration.training.seed), epoch: 1, dropsLast: true)
    guard order.batchCount > 0 else {
      throw DatasetError(
        .invalid,
        "there is no whole batch of \(size) to measure: \(dataset.count) training samples (training.batch_size)")
    }
  }

  subscript(step: Int) -> ArraySlice<Int32> { order.batch(step % order.batchCount) }
}

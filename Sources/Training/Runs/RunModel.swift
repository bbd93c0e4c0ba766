import SwitchbackDatasets
public import SwitchbackExecution
public import SwitchbackInference
import SwitchbackNeuralNetworks

extension TrainedModel {
  /// The network of a run folder with the weights of its newest complete checkpoint (`best`: of the one with the lowest
  /// validation loss, as with `training.restore_best`): unless said otherwise with their moving average, where the run
  /// keeps one.
  ///
  /// What its samples are is in the checkpoint. Of runs without a record, whose checkpoints do not say it, class names
  /// are those of the data set's name or of `evaluation.json`, where `classNames` does not say them, and of a table the
  /// training data is opened again.
  public convenience init(
    run folder: String, best: Bool = false, weights: ModelWeights? = nil, classNames: [String]? = nil,
    on chain: BackendChain
  ) throws {
    let configuration: Configuration
    do {
      configuration = try RunFolder(folder).configuration()
    } catch let error as NotARunFolder {
      throw TrainedModelError(error.message)
    }
    let store = CheckpointStore(run: folder)
    guard
      let checkpoint = store.answering(best: best, preferringBest: configuration.training.restoresBest)?.checkpoint
    else {
      throw TrainedModelError(RunFolder(folder).missingCheckpoint(best: best))
    }
    let data = try RunData(
      run: folder, checkpoint: checkpoint, source: configuration.data.source, classes: classNames)
    let samples = try data.samples(of: configuration, run: folder)
    try self.init(
      checkpoint, of: try configuration.trainingStep(on: samples.layout), for: samples, weights: weights, on: chain)
  }
}

extension RunData {
  /// What the run's samples are: as recorded, or of older runs as its files say. Of a table without a record the file is
  /// opened again.
  public func samples(of configuration: Configuration, run folder: String) throws -> SampleFormat {
    if let record { return SampleFormat(record) }
    let source = configuration.data.source
    // Today's data may have other classes, or others in front of them: the request refuses to guess.
    let request = try request(configuration.data, run: folder)
    guard case .csv = source else {
      return SampleFormat(shape: try source.samples().shape, classNames: classNames ?? [])
    }
    let parts = try source.open(request)
    return parts.record.map { SampleFormat($0) } ?? SampleFormat(parts.train)
  }
}

extension TrainingLoop {
  /// The network as it is now, with what the run knows of its samples.
  public func trainedModel(weights: ModelWeights? = nil) throws -> TrainedModel {
    try session.trainedModel(for: samples, weights: weights)
  }
}

import Foundation
import SwitchbackDatasets
public import SwitchbackExecution
public import SwitchbackInference

extension TrainedModel {
  /// The network of a run folder with the weights of its newest complete checkpoint (`best`: of the one with the lowest
  /// validation loss, as with `training.restore_best`): unless said otherwise with their moving average, where the run
  /// keeps one.
  ///
  /// What its samples are is in the checkpoint. Of runs before 2026-11-28, whose checkpoints do not say it, class names
  /// are those of the data set's name or of `evaluation.json`, where `classNames` does not say them, and of a table the
  /// training data is opened again.
  public convenience init(
    run folder: String, best: Bool = false, weights: ModelWeights? = nil, classNames: [String]? = nil,
    on chain: BackendChain
  ) throws {
    let file = folder + "/config.yaml"
    guard FileManager.default.isReadableFile(atPath: file) else {
      throw TrainedModelError("\(folder) is no run folder: it has no config.yaml")
    }
    let configuration = try Configuration(file: file)
    let store = CheckpointStore(run: folder)
    guard
      let checkpoint = store.answering(best: best, preferringBest: configuration.training.restoresBest)?.checkpoint
    else {
      throw TrainedModelError("\(folder) has no complete checkpoint\(best ? " of a whole epoch" : "")")
    }
    let samples = try SampleFormat(configuration, checkpoint, run: folder, classNames: classNames)
    let step = configuration.trainingStep(sampleShape: samples.shape, targets: samples.targets)
    let inference = try step.inference(batchSize: 1)
    let (tensors, which) = try checkpoint.weights(weights)
    try self.init(
      program: inference.program, tensors: Array(tensors.values), samples: samples, weights: which, on: chain)
  }
}

extension SampleFormat {
  /// What a run's samples are: as recorded, or of older runs as its files say.
  init(_ configuration: Configuration, _ checkpoint: Checkpoint, run folder: String, classNames: [String]?) throws {
    let source = configuration.data.source
    let data = try RunData(run: folder, checkpoint: checkpoint, source: source, classes: classNames)
    if let record = data.record {
      self.init(record)
      return
    }
    // Today's data may have other classes, or others in front of them.
    if source.targets == .classes, data.classNames == nil {
      throw TrainedModelError(
        "\(folder) does not say its class names in their order, and has no evaluation.json: give classNames")
    }
    if case .csv = source {
      let parts = try source.open(try data.request(configuration.data, targets: source.targets, run: folder))
      self = parts.record.map { SampleFormat($0) } ?? SampleFormat(parts.train)
    } else {
      self.init(shape: try source.samples().shape, classNames: data.classNames ?? [])
    }
  }
}

extension TrainingLoop {
  /// The network as it is now, with what the run knows of its samples.
  public func trainedModel(weights: ModelWeights? = nil) throws -> TrainedModel {
    try session.trainedModel(for: samples, weights: weights)
  }
}

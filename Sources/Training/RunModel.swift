import Foundation
import SwitchbackDatasets
public import SwitchbackExecution
public import SwitchbackInference

extension TrainedModel {
  /// The network of a run folder with the weights of its newest complete checkpoint (`best`: of the one with the lowest
  /// validation loss): unless said otherwise with their moving average, where the run keeps one.
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
    guard let checkpoint = best ? store.best() : store.newestComplete() else {
      throw TrainedModelError("\(folder) has no complete checkpoint\(best ? " of a whole epoch" : "")")
    }
    let samples = try SampleFormat(configuration, checkpoint.data, run: folder, classNames: classNames)
    let step = configuration.trainingStep(sampleShape: samples.shape, targets: samples.targets)
    let inference = try step.inference(batchSize: 1)
    let (tensors, which) = try checkpoint.weights(weights)
    try self.init(
      program: inference.program, tensors: Array(tensors.values), samples: samples, weights: which, on: chain)
  }
}

extension SampleFormat {
  /// What a run's samples are: as recorded, or of older runs as its files say.
  package init(
    _ configuration: Configuration, _ record: DatasetRecord?, run folder: String, classNames given: [String]? = nil
  ) throws {
    if let record {
      self.init(record)
    } else {
      switch configuration.data.source {
      case .named(let name, _):
        let dataset = try NamedDataset.named(name)
        self.init(shape: dataset.sampleShape, classNames: dataset.classNames)
      case .imageFolder(let images):
        self.init(shape: [images.height, images.width, images.channels])
        classNames = try given ?? Self.recordedNames(folder)
      case .csv(let table):
        let parts = try table.open()
        if let record = parts.record { self.init(record) } else { self.init(parts.train) }
        if targets == .classes { classNames = try given ?? Self.recordedNames(folder) }
      }
    }
    if targets == .classes, let given { classNames = given }
  }

  /// The class names of `evaluation.json`, which a run writes when it ends. Today's data may have others, or others in
  /// front of them.
  private static func recordedNames(_ folder: String) throws(TrainedModelError) -> [String] {
    struct Names: Decodable { var classNames: [String] }
    guard let data = try? Data(contentsOf: URL(fileURLWithPath: folder + "/evaluation.json")),
      let record = try? JSONDecoder().decode(Names.self, from: data)
    else {
      throw TrainedModelError(
        "\(folder) does not say its class names in their order, and has no evaluation.json: give classNames")
    }
    return record.classNames
  }
}

extension TrainingLoop {
  /// The network as it is now, with what the run knows of its samples.
  public func trainedModel(weights: ModelWeights? = nil) throws -> TrainedModel {
    try session.trainedModel(for: samples, weights: weights)
  }
}

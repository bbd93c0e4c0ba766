import ArgumentParser
import Foundation
import Switchback

/// What commands on a finished run take.
struct RunOptions: ParsableArguments {
  @Argument(help: "The run folder, such as runs/latest.")
  var run: String

  @Option(help: "The backend, instead of the run's.")
  var backend: String?

  @Option(help: "The folder that holds the data set's files.")
  var data: String?

  @Flag(help: "The weights with the lowest validation loss, instead of the newest.")
  var best = false

  @Flag(help: "The weights of the last update, where the run keeps their moving average (ema_momentum).")
  var raw = false

  /// The run's network with the weights of its newest or best checkpoint.
  func restored() throws -> RestoredRun {
    let file = run + "/config.yaml"
    guard FileManager.default.isReadableFile(atPath: file) else {
      throw fail("\(run) is no run folder: it has no config.yaml", ExitStatus.missingFile)
    }
    var overrides: [String] = []
    if let backend { overrides.append("backend.name=\(backend)") }
    if let data { overrides.append("data.path=\(data)") }
    let configuration = try Configuration(file: file, overrides: overrides)
    let store = CheckpointStore(run: run)
    guard let checkpoint = best ? store.best() : store.newestComplete() else {
      throw fail("\(run) has no complete checkpoint\(best ? " of a whole epoch" : "")", ExitStatus.badData)
    }
    let samples = try configuration.data.source.samples()
    let session = try TrainingSession(
      step: configuration.trainingStep(sampleShape: samples.shape, targets: samples.targets),
      batchSize: configuration.training.batchSize, seed: configuration.training.seed,
      on: try configuration.inferenceChain(
        registry: makeRegistry(configuration.backend.search),
        host: try makeHost(threads: configuration.backend.threads),
        replaying: checkpoint.position.routing, progress: showBackendProgress), probeInterval: nil)
    try session.restore(checkpoint)
    let weights = try session.weights(raw ? .raw : nil)
    if weights == .averaged {
      Terminal.write("with the averaged weights of ema_momentum; --raw takes the others", to: .standardError)
    }
    return RestoredRun(
      folder: run, configuration: configuration, session: session, weights: weights, data: checkpoint.data)
  }
}

/// A run's network with its weights.
struct RestoredRun {
  let folder: String
  let configuration: Configuration
  let session: TrainingSession
  /// Which of its weights are asked for.
  let weights: ModelWeights
  /// What it was trained on; nil of a run before 2026-11-28.
  let data: DatasetRecord?

  func test() throws -> any Dataset { try configuration.data.source.open().test }

  /// As the run recorded them; of a run that did not end the data has to be opened.
  func classNames() throws -> [String] {
    if case .named(let name, _) = configuration.data.source { return try NamedDataset.named(name).classNames }
    let file = URL(fileURLWithPath: folder + "/evaluation.json")
    if let record = (try? Data(contentsOf: file)).flatMap({ try? JSONDecoder().decode(EvaluationRecord.self, from: $0) }
    ) {
      return record.classNames
    }
    return try test().classNames
  }

  /// The network, ready to predict.
  func model() throws -> TrainedModel { try session.trainedModel(for: samples(), weights: weights) }

  private func samples() throws -> SampleFormat {
    if let data { return SampleFormat(data) }
    let shape = session.step.sampleShape.extents
    guard case .csv(let table) = configuration.data.source else {
      return SampleFormat(shape: shape, classNames: try classNames())
    }
    Terminal.write(
      "\(folder) does not record its columns and their normalization: they are read from \(table.path) again",
      to: .standardError)
    let parts = try table.open()
    var samples = parts.record.map { SampleFormat($0) } ?? SampleFormat(parts.train)
    if samples.targets == .classes { samples.classNames = try classNames() }
    return samples
  }
}

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

  @Flag(help: "The weights with the lowest validation loss, instead of the newest; so with training.restore_best.")
  var best = false

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
    let preferred = best || configuration.training.restoresBest ? store.best() : nil
    guard let checkpoint = best ? preferred : preferred ?? store.newestComplete() else {
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
    return RestoredRun(folder: run, configuration: configuration, session: session)
  }
}

/// A run's network with its weights.
struct RestoredRun {
  let folder: String
  let configuration: Configuration
  let session: TrainingSession

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
}

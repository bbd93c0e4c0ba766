import ArgumentParser
import Foundation
import Switchback

/// What commands on a finished run take.
struct RunOptions: ParsableArguments {
  @Argument(help: "The run folder, such as runs/latest.", completion: .directory)
  var run: String

  @Option(help: "The backend, instead of the run's.", completion: .list(backendWords))
  var backend: String?

  @Option(help: "The folder that holds the data set's files; of csv and time-series the file.", completion: .file())
  var data: String?

  @Option(
    help: "The class names in the order of their numbers, with commas between: for an early run that kept none.",
    transform: { $0.split(separator: ",").map(String.init) })
  var classes: [String]?

  @Flag(
    help:
      "The best weights by training.watch (without it the lowest validation loss), not the newest; the default of runs with training.restore_best."
  )
  var best = false

  @Flag(help: "The weights of the last update, not their moving average (ema_momentum).")
  var raw = false

  /// The run's network with the weights of its newest or best checkpoint.
  func restored() throws -> RestoredRun {
    let file = try RunFolder(run).configurationFile
    var overrides: [String] = []
    if let backend { overrides += backendOverrides(backend, over: file) }
    if let data { overrides.append(textOverride("data.path", data)) }
    let configuration = try Configuration(file: file, overrides: overrides)
    let store = CheckpointStore(run: run)
    guard
      let checkpoint = store.answering(best: best, preferringBest: configuration.training.restoresBest)?.checkpoint
    else {
      throw fail(RunFolder(run).missingCheckpoint(best: best), ExitStatus.badData)
    }
    let source = configuration.data.source
    let runData = try RunData(run: run, checkpoint: checkpoint, source: source, classes: classes)
    let recorded = try Configuration(file: file).data.source.path
    return RestoredRun(
      folder: run, configuration: configuration, checkpoint: checkpoint, data: runData,
      chain: try configuration.inferenceChain(
        registry: makeRegistry(configuration.backend.search),
        host: try makeHost(threads: configuration.backend.threads),
        replaying: checkpoint.position.routing, progress: showBackendProgress),
      wanted: raw ? .raw : nil, hasOtherPath: data != nil && data != recorded)
  }
}

/// A run's network with the weights of one of its checkpoints, and where it computes.
struct RestoredRun {
  let folder: String
  let configuration: Configuration
  let checkpoint: Checkpoint
  let data: RunData
  let chain: BackendChain
  /// Which of its weights are asked for; nil: the averaged ones where it keeps them.
  let wanted: ModelWeights?
  /// Whether `--data` names another file or folder than the run was trained on.
  let hasOtherPath: Bool

  private var step: TrainingStep {
    get throws { try configuration.trainingStep(on: try data.layout(of: configuration.data.source)) }
  }

  /// The network, ready to predict.
  func model() throws -> TrainedModel {
    if data.record == nil, case .csv(let table) = configuration.data.source {
      Terminal.write(
        "\(folder) does not record its columns and their normalization: they are read from \(table.path) again",
        to: .standardError)
    }
    let model = try TrainedModel(
      checkpoint, of: try step, for: try data.samples(of: configuration, run: folder), weights: wanted, on: chain)
    say(model.weights)
    return model
  }

  /// The network with what judges it: losses and metrics.
  func session() throws -> (session: TrainingSession, weights: ModelWeights) {
    let session = try TrainingSession(
      step: try step, batchSize: configuration.training.batchSize, seed: configuration.training.seed, on: chain,
      probeInterval: nil, evaluating: checkpoint)
    session.metrics = configuration.metrics
    let weights = try session.weights(wanted)
    say(weights)
    return (session, weights)
  }

  private func say(_ weights: ModelWeights) {
    guard weights == .averaged else { return }
    Terminal.write("with the averaged weights of ema_momentum; --raw takes the others", to: .standardError)
  }

  /// The data at hand, with the run's classes and normalization; what differs is said on standard error.
  func open() throws -> DatasetParts {
    let source = configuration.data.source
    var parts = try source.open(try data.request(configuration.data, run: folder))
    if let then = data.record, let now = parts.record, !isNew(now) {
      for name in [DatasetRecord.Part.Name.train, .validation, .test] where then.count(of: name) != now.count(of: name)
      {
        parts.notes.append(
          "the \(name.rawValue) part has \(now.count(of: name)) samples, and had \(then.count(of: name)) when the run was "
            + "trained")
      }
    }
    if data.record == nil, case .csv(let file) = source, file.isNormalized {
      parts.notes.append(
        "\(folder) is of an earlier program, which did not keep means and deviations: they are those of this file")
    }
    for note in parts.notes { Terminal.write("warning: \(note)", to: .standardError) }
    return parts
  }

  /// Whether this is other data than the run was trained on; of a run that kept no record the path tells.
  func isNew(_ now: DatasetRecord?) -> Bool {
    if let then = data.record, let now { return then.identity != now.identity && hasOtherPath }
    if case .named = configuration.data.source { return false }
    return hasOtherPath
  }
}

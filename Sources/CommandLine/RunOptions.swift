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

  /// The run's network with the weights of its newest or best checkpoint, and its test set.
  func restored() throws -> (loop: TrainingLoop, test: any Dataset) {
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
    let data = try configuration.data.source.open()
    let loop = try TrainingLoop(
      configuration, data: data, registry: makeRegistry(configuration.backend.search),
      host: try makeHost(threads: configuration.backend.threads), reference: ReferenceBackend())
    try loop.session.restore(checkpoint)
    return (loop, data.test)
  }
}

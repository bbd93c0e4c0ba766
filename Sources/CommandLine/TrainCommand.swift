import ArgumentParser
import Foundation
import Switchback

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Trains the network of a configuration.",
    discussion: """
      Examples:

        switchback train configs/mnist-cnn.yaml
        switchback train configs/mnist-cnn.yaml --backend reference --epochs 1
        switchback train configs/mnist-cnn.yaml --resume runs/latest
        switchback train configs/mnist-mlp.yaml --set training.optimizer.learning_rate=0.01 --json
      """)

  @OptionGroup var experiment: ExperimentOptions

  @Option(help: "Epochs, instead of the configuration's.")
  var epochs: Int?

  @Option(help: "Ends after so many steps.")
  var steps: Int?

  @Option(help: "Goes on from the newest complete checkpoint of this run folder, to the weights it would have had.")
  var resume: String?

  @Flag(help: "Events as JSON Lines on standard output, for programs.")
  var json = false

  @Flag(help: "Does not fetch a data set that is missing.")
  var offline = false

  func run() throws {
    try reportingErrors {
      var more: [String] = []
      if let epochs { more.append("training.epochs=\(epochs)") }
      if let steps { more.append("training.steps=\(steps)") }
      let configuration = try experiment.configuration(also: more)
      if !offline {
        try configuration.data.source.fetchIfMissing(showsProgress: Terminal.Stream.standardError.isInteractive) {
          Terminal.write($0, to: .standardError)
        }
      }
      let data = try configuration.data.source.open()
      let host = try makeHost(threads: configuration.backend.threads)
      let loop = try TrainingLoop(
        configuration, data: data, registry: makeRegistry(), host: host, reference: ReferenceBackend())
      var start: Checkpoint?
      if let resume {
        start = CheckpointStore(run: resume).newestComplete()
        guard start != nil else { throw fail("\(resume) has no complete checkpoint", ExitStatus.missingFile) }
      }
      let folder = try RunFolder(configuration, resuming: resume, after: start?.position.batches)
      let store = CheckpointStore(run: folder.path)
      let display = Display(isJSON: json)
      Interruption.catchSignal()
      do {
        let summary = try loop.run(
          from: start, isInterrupted: { Interruption.isRequested },
          save: { checkpoint in
            do {
              _ = try store.save(checkpoint)
            } catch {
              throw fail("no checkpoint could be saved: \(error)", ExitStatus.cannotWrite)
            }
          },
          { event in
            display.show(event)
            try folder.record(event)
          }, recordRows: { try folder.record($0) })
        display.end(folder.path)
        if summary.wasInterrupted {
          Terminal.write("interrupted; go on with --resume \(folder.path)", to: .standardError)
        }
        if summary.wasInterrupted { throw ExitStatus.interrupted }
      } catch let stop as TrainingLoop.Stop {
        display.end(folder.path)
        switch stop {
        case .finding: throw ExitStatus.stoppedByFinding
        case .neverFinite: throw fail("the loss was not finite for 20 steps in a row", ExitStatus.failure)
        }
      }
    }
  }
}

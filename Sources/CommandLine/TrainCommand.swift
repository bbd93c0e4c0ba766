import ArgumentParser
import Foundation
import Switchback
import SwitchbackCrashNote

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Trains the network of a configuration.",
    discussion: flowing(
      """
      Classes (folders, words of a CSV column) get their numbers in one order: whole numbers first, by value, then all
      other names by their UTF-8 bytes. The run keeps the names of its classes and the normalization of its columns.
      --resume refuses other data: it compares the bytes of a table, and the names, sizes and contents of pictures. Of
      more than 256 MiB of pictures it compares only the beginning of each file (64 KiB; with more than 16,384 files
      less, at least 4 KiB), and with data.check: none no contents; switchback data check prints a checksum of
      everything. Ends with 3 where a finding stopped the run (monitor.action: stop, or more rollbacks than allowed), with
      130 where it was interrupted; switchback --help lists the others. Examples:

        switchback train configs/mnist-cnn.yaml
        switchback train configs/mnist-cnn.yaml --backend reference --epochs 1
        switchback train --resume runs/latest
        # five more, where there were five:
        switchback train --resume runs/latest --epochs 10
        switchback train --resume runs/latest --backend reference --other-bits
        # starts with the weights of another run:
        switchback train configs/mnist-cnn.yaml --from runs/latest
        # measures who is fastest at what:
        switchback train configs/mixed-kernels.yaml --backend auto
        switchback train configs/mnist-mlp.yaml --set training.batch_size=128 --json
      """))

  @Argument(
    help: "The configuration, such as configs/mnist-cnn.yaml; with --resume the default is the run's own.",
    completion: .file(extensions: ["yaml"]))
  var config: String?

  @OptionGroup var settings: SettingOptions
  @OptionGroup var folder: RunsFolderOption

  @Option(help: "Epochs, instead of the configuration's.")
  var epochs: Int?

  @Option(
    help:
      "Ends after this many steps in total. A resumed run keeps this limit unless --steps or --epochs is given again.")
  var steps: Int?

  @Option(
    help:
      "Goes on with the run in this folder from its newest complete checkpoint, to the weights that it would have had.",
    completion: .directory)
  var resume: String?

  @Flag(help: "With --resume: allows data that has changed. The run's record says so.")
  var otherData = false

  @Option(
    help:
      "The class names in the order of their numbers, with commas between: with --resume of an early run that kept none.",
    transform: { $0.split(separator: ",").map(String.init) })
  var classes: [String]?

  @Flag(
    name: .customLong("other-bits"),
    help: "With --resume: allows another backend or number of threads; the weights' last bits then differ.")
  var otherBits = false

  @Option(
    help: "Starts with the weights of a run folder, a checkpoint or a trained model's file; the optimizer starts anew.",
    completion: .file())
  var from: String?

  /// Of earlier programs.
  @Flag(help: .hidden)
  var profile = false

  @Flag(help: "Events as JSON Lines on standard output, for programs.")
  var json = false

  @Flag(help: "Does not fetch a data set that is missing.")
  var offline = false

  func validate() throws {
    if profile {
      throw ValidationError(
        "train --profile is a command of its own now, which says where the time goes: switchback profile "
          + (config ?? "CONFIG"))
    }
    if config == nil, resume == nil {
      throw ValidationError("Which configuration? Such as: switchback train configs/mnist-cnn.yaml")
    }
    if resume != nil, folder.runs != nil {
      throw ValidationError("A run goes on in its own folder: --runs is for new ones")
    }
    if resume == nil, otherData || classes != nil {
      throw ValidationError("--other-data and --classes are for a run that goes on: --resume RUN")
    }
    if resume != nil, from != nil {
      throw ValidationError("A run goes on with its own weights: --from is for new ones")
    }
    if resume == nil, otherBits { throw ValidationError("--other-bits says how a run goes on: --resume RUN") }
  }

  mutating func run() throws {
    // Another run may become the latest meanwhile.
    resume = resume.map(LatestLink.followed)
    switchback_report_crashes()
    try reportingErrors {
      Terminal.outlivesItsOutput = true
      let (configuration, changes) = try configuration()
      // Before its checkpoints are read: nobody else may go on with the run meanwhile.
      let lock = try resume.map { try FolderLock($0) }
      if !offline { try fetchIfMissing(configuration.data.source) }
      var start: Checkpoint?
      if let resume {
        start = CheckpointStore(run: resume).newestComplete()
        guard start != nil else {
          throw fail(RunFolder(resume).missingCheckpoint(isOurs: true), ExitStatus.missingFile)
        }
      }
      let data = try data(configuration, start)
      let host = try makeHost(threads: configuration.backend.threads)
      let loop = try TrainingLoop(
        configuration.goingOn(from: start), data: data, registry: makeRegistry(configuration.backend.search),
        host: host, replaying: otherBits ? nil : start?.position.routing, progress: showBackendProgress)
      loop.allowsOtherBits = otherBits
      // Before the run folder is changed.
      if let start, let resume {
        try loop.check(start, in: RunFolder(resume).environment)
        let before = try RunFolder(resume).configuration().training
        if TrainingLoop.isPast(start.position, configuration.training), !TrainingLoop.isPast(start.position, before) {
          throw fail(
            "\(resume) is past that already: it was left in epoch \(start.position.epoch), after step "
              + "\(start.position.batches), and its result would be that of no such run. Ask for more, or start a new one",
            ExitCode(64))
        }
        // Without a summary it was ended between its last step and its test.
        if loop.isComplete(at: start.position), RunFolder(resume).has(.summary) {
          let further =
            loop.hasStoppedEarly(at: start.position)
            ? "stopped early after step \(start.position.batches); a higher number for "
              + "--set training.early_stopping_patience goes on"
            : "is complete at step \(start.position.batches); a higher number for --epochs or --steps goes on"
          Terminal.write("\(resume) \(further)", to: .standardError)
          // Whoever was ended between its summary and its page still gets the page.
          if !RunFolder(resume).has(.report) {
            Terminal.write("report: \(try RunFolder(resume).writeReport())", to: .standardError)
          }
          return
        }
      }
      // Not before: what is refused, or over, does not go on.
      for change in changes { Terminal.write(Self.words(for: change), to: .standardError) }
      let recorder: RunRecorder
      if let lock, let start {
        let before = RunFolder(lock.folder).environment
        recorder = try RunRecorder(resuming: lock, loop, from: start)
        saySwitch(from: before, to: recorder.environment)
      } else {
        recorder = try RunRecorder(loop)
      }
      if let warning = recorder.warning { Terminal.write("warning: \(warning)", to: .standardError) }
      let folder = recorder.folder
      let display = Display(isJSON: json)
      var stop: TrainingLoop.Stop?
      do {
        let best = resume.flatMap { CheckpointStore(run: $0).best() }
        let good = configuration.monitor.action == .rollBack ? resume.flatMap { CheckpointStore(run: $0).good() } : nil
        _ = try loop.run(from: start, best: best, good: good, callbacks: [display, recorder, Interruption()])
      } catch let error as TrainingLoop.Stop {
        stop = error
      } catch let error as FileError {
        let newest = CheckpointStore(run: folder.path).newestComplete()?.position.batches
        let advice = newest.map { "The newest checkpoint is of step \($0): go on with --resume \(folder.path)" }
        throw fail("\(error). \(advice ?? "There is no checkpoint yet")", status(of: error))
      }
      try folder.writeReport()
      display.end(folder)
      switch stop {
      case nil: break
      case .interrupted:
        Terminal.write("interrupted; go on with --resume \(folder.path)", to: .standardError)
        throw ExitCode(Interruption.status)
      case .finding(let finding):
        let layers = finding.layers.isEmpty ? "" : " in " + LayerPaths.words(finding.layers)
        let action =
          configuration.monitor.action == .rollBack
          ? "rollback, \(configuration.monitor.actionCount) times; the newest checkpoint is of before" : "stop"
        Terminal.write(
          "stopped after step \(finding.step) because of \(finding.rule)\(layers) (monitor.action: \(action)); --resume "
            + "\(folder.path) --set monitor.action=warn goes on", to: .standardError)
        throw ExitStatus.stoppedByFinding
      case .brokenWeights(let names, let step):
        let weights = names[0] + (names.count > 1 ? " and others" : "")
        let kept =
          CheckpointStore(run: folder.path).newestComplete().map { newest in
            "the newest checkpoint in \(folder.path(of: .checkpoints)) is of step \(newest.position.batches)"
          } ?? "there is no checkpoint"
        throw fail(
          "after step \(step) weights are infinite or NaN (\(weights)): an update of finite gradients overflowed. "
            + "They are not saved; \(kept). "
            + "Lower training.optimizer.learning_rate, or set its global_clipnorm to 1", ExitStatus.failure)
      case .neverFinite(let isBackendToBlame):
        let advice =
          isBackendToBlame
          ? "See the finding: a backend computes wrongly"
          : configuration.monitor.isEnabled
            ? "See the finding: it says what made the first such value, and what helps against that"
            : "Lower training.optimizer.learning_rate, or set its global_clipnorm to 1"
        throw fail(
          "the loss was not finite for \(TrainingLoop.patienceForFinite) steps in a row, or in every step of the run. The "
            + "weights of the last good step are in \(folder.path(of: .checkpoints)); those of the best epoch (--best), "
            + "or of an older checkpoint, may be better. "
            + advice, ExitStatus.failure)
      case .data(let error):
        throw fail(
          "\(error.message). The steps before are kept: mend or restore what is wrong, then go on with --resume "
            + folder.path, ExitStatus.badData)
      }
    }
  }

  /// The data of a new run, or of one that goes on: then as its record says, and only the same, unless told otherwise.
  private func data(_ configuration: Configuration, _ start: Checkpoint?) throws -> DatasetParts {
    let source = configuration.data.source
    guard let start, let resume else { return try source.open(configuration.data.request) }
    let run = try RunData(run: resume, checkpoint: start, source: source, classes: classes)
    var data = try source.open(
      try run.request(configuration.data, run: resume, mayLackParts: false))
    guard let then = run.record else {
      data.notes.append(
        "\(resume) is of an earlier program: its validation part stays the tail of the training samples, and its order "
          + "of samples the earlier one; its data was not recorded, so nobody can say whether it is the same")
      if let normalization = data.record?.normalization, !normalization.isEmpty {
        data.notes.append(
          "numbers are normalized in Float64 now, which that program did in Float32: last bits of the weights differ")
      }
      return data
    }
    let differences = data.record?.differences(since: then) ?? []
    guard !differences.isEmpty else { return data }
    guard otherData else {
      throw fail(
        "going on with other data would give other weights. What differs: \(differences.joined(separator: "; ")). "
          + "With --other-data the run goes on, and its record says so", ExitStatus.badData)
    }
    let identity = data.record?.identity ?? ""
    data.record?.others.append(
      .init(batches: start.position.batches, identity: identity, differences: differences))
    data.notes += differences.map { "going on with other data: \($0)" }
    return data
  }

  /// Of a run that is new. Paths are absolute: a run may be looked at from any folder, and `runs/latest` moves on.
  private func newConfiguration(_ more: [String]) throws -> Configuration {
    let configuration = try settings.configuration(config!, also: more)
    var paths: [String] = []
    if let path = configuration.data.source.path, !path.hasPrefix("/") {
      paths.append(textOverride("data.path", FileManager.default.currentDirectoryPath + "/" + path))
    }
    if let source = from ?? configuration.initialWeights {
      paths.append(textOverride("model.from", URL(fileURLWithPath: source).resolvingSymlinksInPath().path))
    }
    return paths.isEmpty ? configuration : try settings.configuration(config!, also: more + paths)
  }

  /// And what in it is another than in the run that goes on.
  private func configuration() throws -> (Configuration, changes: [String]) {
    var more = folder.overrides
    if let epochs { more.append("training.epochs=\(epochs)") }
    if let steps { more.append("training.steps=\(steps)") }
    // The new total is in epochs, also where the run was to end after so many steps.
    if resume != nil, epochs != nil, steps == nil { more.append("training.steps=null") }
    guard let resume else { return (try newConfiguration(more), []) }
    let earlier = try RunFolder(resume).configurationFile
    let configuration = try settings.configuration(config ?? earlier, also: more)
    let before = try Configuration(file: earlier)
    let refused = configuration.changesRefusedAtResume(since: before)
    guard refused.isEmpty else {
      throw fail(
        "a run cannot go on with another \(refused.joined(separator: ", another "))", ExitStatus.badConfiguration)
    }
    let changes = configuration.changes(since: before)
    // What the program's fingerprint covers; checkpoints of runs without a record have none.
    let essential = [
      "model.", "training.loss", "training.objectives", "training.batch_size", "training.optimizer.type",
    ]
    if otherBits, let change = changes.first(where: { change in essential.contains { change.hasPrefix($0) } }) {
      throw fail(
        "--other-bits goes on with another backend or other threads, not with another \(change). train CONFIG --from "
          + "\(resume) starts a new run with its weights", ExitCode(64))
    }
    return (configuration, changes)
  }

  /// More of the same, and what the monitor does, change no step, so they are no warning.
  private static func words(for change: String) -> String {
    let isHarmless = ["training.epochs:", "training.steps:", "monitor."].contains { change.hasPrefix($0) }
    return "\(isHarmless ? "" : "warning: ")going on with another \(change)"
  }

  /// Says what a run goes on with, where its last bits differ from there on.
  private func saySwitch(from before: RunEnvironment?, to now: RunEnvironment) {
    guard now.resumed?.last?.otherBits == true else { return }
    func words(_ environment: RunEnvironment) -> String {
      "\(environment.devices.joined(separator: "; ")), \(environment.workers) workers"
    }
    Terminal.write(
      "going on with other last bits: on \(words(now)), where \(before.map(words) ?? "something else") was",
      to: .standardError)
  }
}

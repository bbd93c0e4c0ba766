public import SwitchbackDatasets
public import SwitchbackNeuralNetworks
import Foundation
import SwitchbackInterchange
public import SwitchbackMonitoring
import Yams

/// One experiment, read from YAML: plain values, nothing opened or built yet.
public struct Configuration: Sendable {
  public var name: String
  public var model: Graph
  /// A run folder or file whose weights training starts with (`model.from`).
  public var initialWeights: String?
  public var data: Data
  public var training: Training
  public var backend: Backend
  public var monitor: Monitor
  let modelPlaces: Places
  let layerPlaces: LayerPlaces
  /// The whole configuration with every default written out, as YAML.
  public var resolvedText: String

  public struct Data: Sendable {
    public var source: DatasetSource
    /// The share of the training part that is held back to watch, without being trained on.
    public var validationSplit: Double
    /// Draws which ones, of a data set known by name; files and rows go by their hash.
    public var splitSeed: Int
    /// Which steps of fields are valid.
    public var masks: Masks
    /// How pictures of the training part are changed; nil: not at all.
    public var augmentation: Augmentation?
    /// Whether the next batch is read while a step runs; nil: where samples are not in memory already.
    public var prefetch: Bool?
    let places: Places

    /// Which masks are asked for.
    public enum Masks: Hashable, Sendable {
      /// The fields that say which steps of others are valid, by the names of these: lengths, or a number for each step.
      case named([String: String])
      /// The lengths that fields name themselves, as readers of sequences do (`Field.lengths`).
      case lengths
    }
  }

  public struct Training: Sendable {
    public var epochs: Int
    /// Ends the run early where given.
    public var steps: Int?
    public var batchSize: Int
    public var dropsLastBatch: Bool
    public var seed: Int
    /// What is to be made small: one an output. `training.loss` alone is short for one.
    public var objectives: [ObjectiveSettings]
    public var optimizer: any Optimizer
    public var clipping: GradientClipping?
    public var accumulationSteps: Int
    public var averageMomentum: Double?
    public var validation: Validation
    /// Validations in which what is watched got no better before the run ends; one comes every `validation.every` epochs.
    public var patience: Int?
    public var plateau: ReduceOnPlateau?
    /// What the first weights are scaled by, before the first step; nil: they are what their initializers say.
    public var initialization: LSUV?
    /// The column of the validation that decides what is best (`Watch`); nil: the loss.
    public var watch: String?
    /// Whether the run ends with its best weights, by what is watched, instead of the last.
    public var restoresBest: Bool
    /// Also saves every so many steps; otherwise after each epoch.
    public var checkpointSteps: Int?
    /// How many checkpoints are kept besides the best.
    public var keptCheckpoints: Int
    /// Where runs are written.
    public var runs: String
    /// See `TrainingStep`: false while a run goes on that was begun so.
    var scalesNorms = true
    let places: Places
  }

  /// `training.validation`: how often, and on how much, a run looks at samples that it is not trained on.
  public struct Validation: Hashable, Sendable {
    /// In epochs.
    public var every = 1
    /// So many samples of the validation part (the same ones each time); nil: all.
    public var samples: Int?
  }

  public struct Backend: Sendable {
    /// A backend's word, the path of its library, or `auto`: whoever is measured to be fastest.
    public var name: String
    public var fallback: [String]
    /// Folders with libraries of backends, looked into before the usual ones.
    public var search: [String]
    /// Workers; 0: one a core.
    public var threads: Int
    /// By backend: the device to open under `device`, the rest for the backend to read.
    public var options: [String: [String: String]]
    /// Who is measured for `auto`; nil: all of ours, OpenCL on graphics processors only.
    public var candidates: [String]?
    /// How long measuring for `auto` may take, about.
    public var tuningSeconds: Double
    let places: Places
  }

  public struct Monitor: Sendable {
    public enum Action: String, Sendable, CaseIterable {
      case warn, stop
      case lowerRate = "lower_rate"
      case rollBack = "rollback"

      var meaning: String {
        switch self {
        case .warn: "it is said"
        case .stop: "an error ends the run with status 3"
        case .lowerRate: "a divergence lowers the learning rate"
        case .rollBack: "a divergence puts the run back to the last good checkpoint, with a lower learning rate"
        }
      }
    }

    public var isEnabled: Bool
    /// Every how many updates probes look at the gradients.
    public var probeInterval: Int
    /// Every how many steps the rows are written to the run folder.
    public var period: Int
    public var vanishingDecades: Double
    /// Along time a layer is named that loses at least so many powers of ten in all and a step; another bound a step is of
    /// layers with gates.
    public var vanishingTimeDecades: Double
    public var vanishingStepDecades: Double
    public var vanishingGatedStepDecades: Double
    /// Steps at the start of a run of which nothing is said along time.
    public var vanishingWarmUp: Int
    public var explodingDecades: Double
    public var explodingUpdateRatio: Double
    public var action: Action
    /// Of `lowerRate` and `rollBack`: what the learning rate is multiplied with, how often, and what it stays above.
    public var actionFactor: Double
    public var actionCount: Int
    public var actionMinimumRate: Double
    /// The share of a run's time in which operations are compared with the reference, one after another.
    public var checkShare: Double
    /// What the run's folder has of the probes.
    public var sinks: [SinkKind]
  }

  /// Reads a file, with `overrides` such as `training.epochs=2` applied.
  /// `expandsBlocks`: the resolved text has the layers of blocks in place of their uses.
  public init(
    file: String, overrides: [String] = [], expandsBlocks: Bool = false
  ) throws(ConfigurationError) {
    let text: String
    do {
      text = try TextFile.read(file)
    } catch {
      throw ConfigurationError(problems: [.init(file: file, line: 1, column: 1, message: "\(error)")])
    }
    try self.init(text: text, file: file, overrides: overrides, expandsBlocks: expandsBlocks)
  }

  /// Reads text; `file` is what errors call it. Throws every problem at once.
  public init(
    text: String, file: String, overrides: [String] = [], expandsBlocks: Bool = false
  ) throws(ConfigurationError) {
    let problems = ProblemList(file: file, expandsBlocks: expandsBlocks)
    var root: Node?
    do {
      root = try Yams.compose(yaml: text)
    } catch {
      throw ConfigurationError(problems: [Self.problem(error, of: text, in: file)])
    }
    if root == nil {
      let reason = "it is empty; switchback config init prints a configuration to start from"
      throw ConfigurationError(problems: [.init(file: file, line: 1, column: 1, message: reason)])
    }
    if let root, !Self.isReasonable(root) {
      let reason = "with its aliases it has more than \(Self.mostNodes) values"
      throw ConfigurationError(problems: [.init(file: file, line: 1, column: 1, message: reason)])
    }
    for override in overrides { root = Overrides.apply(override, to: root, problems) }
    let top = SectionReader(root, path: "", problems)
    let stem = file.split(separator: "/").last?.prefix { $0 != "." } ?? ""
    self.init(reading: top, fallbackName: stem.isEmpty ? "run" : String(stem))
    top.finish()
    guard problems.problems.isEmpty else { throw ConfigurationError(problems: problems.problems) }
    resolvedText = (try? Yams.serialize(node: Node(top.resolved))) ?? ""
  }

  /// Reads every section; what is wrong is in the reader's list of problems.
  init(reading top: SectionReader, fallbackName: String) {
    _ = top.int("version", nil, in: 1...1, help: "The version of this language: 1")
    name = top.fileName("name", fallbackName, help: "What the run's folder is called")
    (model, layerPlaces, initialWeights, modelPlaces) = top.section("model", help: "The network") { section in
      let (model, places) = LayerReader.model(section)
      return (
        model, places, section.optionalText("from", help: "A run folder or a file whose weights training starts with"),
        Places(section, path: section.path)
      )
    }
    data = top.section("data", help: "What is learnt from") { section in DataReader.data(section) }
    training = top.section("training", help: "How it is learnt") { section in Self.training(section) }
    ObjectiveReader.check(training.objectives, of: model, modelPlaces, top.problems)
    if initialWeights != nil, training.initialization != nil {
      top.problems.add(
        "training.initialization: model.from says what weights start with; take one of them away",
        training.places["initialization"])
    }
    backend = top.section("backend", shorthand: "name", help: "Who computes") { section in
      BackendReader.backend(section)
    }
    monitor = top.section("monitor", help: "What is watched for vanishing, exploding and non-finite gradients") {
      section in
      let (vanishing, exploding) = (VanishingGradient(), ExplodingGradient())
      return Monitor(
        isEnabled: section.bool("enabled", true, help: "Whether gradients are watched"),
        probeInterval: section.int(
          "probe_interval", TrainingSession.usualProbeInterval, in: .positive,
          help: "Every how many updates gradients are looked at, after the first 20"),
        period: section.int("period", 50, in: .positive, help: "Every how many steps the rows are written to the run"),
        vanishingDecades: section.number(
          "vanishing_decades", vanishing.decades,
          help: "By how many powers of ten gradients may shrink down to the first layer"),
        vanishingTimeDecades: section.number(
          "vanishing_time_decades", vanishing.timeDecades,
          help: "By how many they may shrink along time, where they also shrink by vanishing_step_decades"),
        vanishingStepDecades: section.number(
          "vanishing_step_decades", vanishing.decadesPerStep,
          help: "By how many they may shrink from a step of time to the one before, on average"),
        vanishingGatedStepDecades: section.number(
          "vanishing_gated_step_decades", vanishing.gatedDecadesPerStep,
          help: "The same of layers with gates: lstm, gru"),
        vanishingWarmUp: section.int(
          "vanishing_warm_up", vanishing.warmUp,
          help: "Of how many batches at the start nothing is said along time"),
        explodingDecades: section.number(
          "exploding_decades", exploding.decades,
          help: "By how many powers of ten they may grow down to the first layer, or along time"),
        explodingUpdateRatio: section.number(
          "exploding_update_ratio", exploding.updateRatio, help: "How large an update may be, relative to the weights"),
        action: section.choice(
          "action", "warn", Monitor.Action.allCases.map { ($0.rawValue, $0) },
          meanings: Monitor.Action.allCases.map(\.meaning), help: "What a finding does besides"),
        actionFactor: section.number(
          "action_factor", 0.5, in: .kept, help: "What lower_rate and rollback multiply the learning rate with"),
        actionCount: section.int(
          "action_max_count", 5, in: 1...1_000_000,
          help: "How often at most; a rollback beyond ends the run with status 3"),
        actionMinimumRate: section.number(
          "action_min_learning_rate", 0, in: .learningRate, help: "The rate is never lowered below this by them"),
        checkShare: section.number(
          "check_share", OperationRotation.usualShare, in: 0...1,
          help: "The share of the time that comparing operations with the reference may take"),
        sinks: section.choices(
          "sinks", [SinkKind.jsonl.rawValue], SinkKind.allCases.map { ($0.rawValue, $0) },
          help: "What the rows are written as: JSON Lines, a table, records of bytes, an event file of TensorBoard"))
    }
    resolvedText = ""
  }

  private static func training(_ section: SectionReader) -> Training {
    let optimizer = section.section("optimizer", shorthand: "type", help: "How weights follow their gradients") {
      OptimizerReader.optimizer($0)
    }
    return Training(
      epochs: section.int("epochs", 1, in: 1...1_000_000_000, help: "How often all samples are gone through"),
      steps: section.optionalInt("steps", help: "Ends the run after so many steps, if that is earlier"),
      batchSize: section.int("batch_size", 32, in: 1...1 << 20, help: "How many samples a step takes"),
      dropsLastBatch: section.choice(
        "last_batch", "keep", [("keep", false), ("drop", true)],
        help: "Whether an epoch's last batch, where it is smaller, is trained on"),
      seed: section.int("seed", 1, help: "Draws the first weights, the order of samples and dropout"),
      objectives: ObjectiveReader.objectives(section),
      optimizer: optimizer.optimizer, clipping: optimizer.clipping,
      accumulationSteps: optimizer.accumulationSteps, averageMomentum: optimizer.averageMomentum,
      validation: section.section("validation", help: "How samples are watched that are not trained on") {
        let usual = Validation()
        return Validation(
          every: $0.int("every", usual.every, in: 1...1_000_000_000, help: "After how many epochs each"),
          samples: $0.int("samples", or: "all", help: "How many, the same ones each time"))
      },
      patience: section.optionalInt(
        "early_stopping_patience", help: "Ends the run after so many validations in which what is watched got no better"
      ),
      plateau: section.optionalSection(
        "reduce_on_plateau", help: "Lowers the learning rate when what is watched no longer gets better"
      ) { $0.read(ReduceOnPlateau.settings) },
      initialization: section.optionalSection(
        "initialization", help: "Scales the first weights by what they make of training samples, before the first step"
      ) {
        $0.choice("type", LSUV.word, [(LSUV.word, ())], meanings: [LSUV.help], help: "Which one")
        return $0.read(LSUV.settings)
      },
      watch: section.optionalText(
        "watch", help: "What says which weights are best: total (the loss), or a column such as digit/accuracy"),
      restoresBest: section.bool(
        "restore_best", false, help: "Whether the run ends with its best weights, by what is watched"),
      checkpointSteps: section.optionalInt(
        "checkpoint_steps", help: "Saves every so many steps too, not only after each epoch"),
      keptCheckpoints: section.int(
        "keep_checkpoints", 3, in: .positive, help: "How many checkpoints are kept besides the best"),
      runs: section.path("runs", "runs", help: "The folder that runs are written to"),
      places: Places(section, path: section.path))
  }

  /// A file of a few lines can hold any number of values, by aliases of aliases.
  private static let mostNodes = 100_000

  private static func isReasonable(_ root: Node) -> Bool {
    var (count, next) = (0, [root])
    while let node = next.popLast() {
      count += 1
      guard count <= mostNodes else { return false }
      next += node.sequence.map { Array($0) } ?? []
      next += node.mapping?.values.map { $0 } ?? []
    }
    return true
  }

  /// Whether a tab is among the signs that the marked line begins with, up to the mark's own.
  private static func hasTab(_ text: String, before mark: Mark) -> Bool {
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    guard lines.indices.contains(mark.line - 1) else { return false }
    return lines[mark.line - 1].prefix { $0 == " " || $0 == "\t" }.contains("\t")
  }

  /// A parser's error in one line, with its place.
  private static func problem(
    _ error: any Error, of text: String, in file: String
  ) -> ConfigurationError.Problem {
    switch error as? YamlError {
    case .duplicatedKeysInMapping(let keys, let context):
      .init(
        file: file, line: context.mark.line, column: context.mark.column,
        message: "\(keys.map { "\($0)" }.joined(separator: ", ")) is given twice")
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      .init(
        file: file, line: mark.line, column: mark.column,
        message: hasTab(text, before: mark)
          ? "no valid YAML: a tab; YAML takes blanks for indentation" : "no valid YAML: \(problem)")
    // It brings all of the text along.
    case .reader(let problem, _, _, _): .init(file: file, line: 1, column: 1, message: "no valid YAML: \(problem)")
    default: .init(file: file, line: 1, column: 1, message: "no valid YAML: \(SectionReader.excerpt("\(error)"))")
    }
  }
}

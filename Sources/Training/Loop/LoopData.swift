import SwitchbackDatasets
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// The parts of a run's data, and whether its network fits them.
struct LoopData {
  let record: DatasetRecord?
  let train: any Dataset
  /// The samples of `train` as they are in the data.
  private let unchanged: any Dataset
  /// The same as `train`, where it reads ahead.
  let prefetcher: Prefetcher?
  /// The same, where its pictures are changed.
  private let augmented: AugmentedDataset?
  let validation: (any Dataset)?
  let test: any Dataset
  /// What epochs are validated on: all or some of the validation part, or of the test set where there is none.
  let validationSamples: any Dataset
  /// What to say of the data before the first step.
  private(set) var notes: [String]
  private let settings: Configuration.Training
  /// Whether each epoch takes the samples in the order of the data.
  private var keepsOrder = false

  init(_ data: DatasetParts, _ configuration: Configuration) throws {
    settings = configuration.training
    // Data sets of a configuration come divided; those made in a program are divided here.
    let parts =
      data.record == nil && data.validation == nil
      ? data.holdingOut(configuration.data.validationSplit, seed: configuration.data.splitSeed) : data
    (record, test, validation, notes) = (data.record, data.test, parts.validation, parts.notes)
    unchanged = parts.train
    let (augmentation, seed) = (configuration.data.augmentation, settings.seed)
    augmented = try augmentation.flatMap { $0.isEmpty ? nil : try AugmentedDataset(parts.train, $0, seed: seed) }
    let samples: any Dataset = augmented ?? parts.train
    let prefetches = configuration.data.prefetch ?? !samples.isInMemory
    prefetcher = prefetches ? try Prefetcher(samples, batchSize: settings.batchSize) : nil
    train = prefetcher ?? samples
    let held = validation ?? test
    validationSamples =
      settings.validation.samples.map { held.drawn($0, seed: configuration.data.splitSeed) } ?? held
  }

  /// Begins an epoch, or goes on with one: its batches come in this order, from that one on.
  func begin(epoch: Int, _ order: BatchOrder, at batch: Int, waits: Bool) {
    // Nobody reads between the epochs.
    augmented?.begin(epoch: epoch)
    prefetcher?.begin(order, at: batch, waits: waits)
  }

  /// The order of an epoch, which counts from 1.
  func order(epoch: Int, version: BatchOrder.Version) -> BatchOrder {
    BatchOrder(
      count: train.count, batchSize: settings.batchSize, seed: Int64(settings.seed), epoch: epoch,
      isShuffled: !keepsOrder, dropsLast: settings.dropsLastBatch, version: version)
  }

  /// What LSUV looks at: the first samples of the first epoch, as they are in the data.
  func firstSamples(_ count: Int) -> (dataset: any Dataset, indices: ArraySlice<Int32>) {
    let order = BatchOrder(
      count: unchanged.count, batchSize: min(count, unchanged.count), seed: Int64(settings.seed), epoch: 1,
      isShuffled: !keepsOrder)
    return (unchanged, order.batch(0))
  }

  /// Samples of training as they are in the data, as many as an epoch is validated on and no more than 1,000: what is
  /// evaluated to tell what training has learnt from what evaluations make of it.
  var seenSamples: any Dataset { unchanged.drawn(min(validationSamples.count, 1000), seed: settings.seed) }

  // MARK: Checks

  /// Whether the network can be trained on the data: an epoch without a batch would end in a run without an update. That
  /// each class has an output, the configuration has seen to (`Configuration.trainingStep(on:)`).
  mutating func check(_ session: TrainingSession, _ configuration: Configuration) throws {
    if let obstacle = Self.obstacle(toTrainingOn: train.count, settings) { throw DatasetError(.invalid, obstacle) }
    if let states = session.perSampleStates {
      let fault = states.fault(training: train.count, dropsLast: settings.dropsLastBatch)
      if let fault { throw configuration.located(fault) }
      keepsOrder = true
      notes.append("\(states.layer) is stateful: each epoch takes the samples in the order of the data")
      if let note = states.note(of: record) { notes.append(note) }
    }
    notes += Self.notes(of: session.step, try session.inference.program, on: train.layout)
    try session.checkTokens(of: record)
    for part in [test, validation, train].compactMap({ $0 }) { try session.checkFields(of: part) }
  }

  /// Why an epoch of so many samples would have no step; nil where it has one.
  static func obstacle(toTrainingOn count: Int, _ settings: Configuration.Training) -> String? {
    guard BatchOrder.batchCount(count, batchSize: settings.batchSize, dropsLast: settings.dropsLastBatch) == 0 else {
      return nil
    }
    return count == 0
      ? "there is no sample to train on"
      : "training.last_batch: drop leaves no batch: \(count) training samples are fewer than training.batch_size "
        + "\(settings.batchSize). Set a smaller batch_size, or last_batch: keep"
  }

  /// Why a run would end before the first update on so many samples an epoch; nil where it would not. The last batches of
  /// an epoch make an update of their own, unless `fillsAccumulation`.
  static func obstacle(
    toUpdatingOn count: Int, _ settings: Configuration.Training, fillsAccumulation: Bool = false
  ) -> String? {
    let batches = BatchOrder.batchCount(count, batchSize: settings.batchSize, dropsLast: settings.dropsLastBatch)
    let first = fillsAccumulation ? settings.accumulationSteps : min(settings.accumulationSteps, batches)
    guard let steps = settings.steps, steps < first else { return nil }
    return "training.steps \(steps) ends the run before its first update, which is after \(first) batches "
      + "(training.optimizer.gradient_accumulation_steps)"
  }

  /// What to say of outputs that stand for more classes than the data has; `program` is the step's network.
  static func notes(of step: TrainingStep, _ program: Program, on layout: DatasetLayout) -> [String] {
    step.objectives.filter { $0.targets == .classes }.compactMap { objective in
      let prefix = step.prefix(of: objective)
      guard let names = layout[objective.target]?.classNames, !names.isEmpty,
        let output = program.output(named: prefix + StepOutput.predictions),
        let units = program.values[output].type.shape.extents.last
      else { return nil }
      // A single output tells two classes apart.
      let (classes, outputs) = (names.count, max(units, 2))
      guard classes < outputs else { return nil }
      let (has, ends) =
        prefix.isEmpty
        ? ("the data has", "the network ends") : ("\(objective.target) has", "\(prefix.dropLast()) ends")
      return "\(has) \(classes) \(classes == 1 ? "class" : "classes") (\(ClassOrder.words(names))), and "
        + "\(ends) with outputs for \(outputs)\(DatasetParts.suspicions(about: names))"
    }
  }
}

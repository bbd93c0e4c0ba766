import SwitchbackBackendKit
public import SwitchbackDatasets
public import SwitchbackExecution
import SwitchbackInference
public import SwitchbackMonitoring
public import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// A network on its backends with its weights: the programs for training and evaluation, compiled on first use.
public final class TrainingSession {
  public let step: TrainingStep
  public let chain: BackendChain
  public let states = StateStore()
  public let batchSize: Int
  public let seed: Int64
  public var parameterCount: Int { training.trainableCount }
  /// The training step of whole batches, without probes.
  let training: TrainingProgram
  /// Batches trained so far.
  public private(set) var batches = 0
  /// Updates of the weights so far.
  public private(set) var updates = 0
  /// Batches whose gradients wait in the accumulators for the next update.
  public private(set) var accumulated = 0

  /// What an evaluation judges each output by besides its loss: one list an objective. Accuracy and who was taken for whom
  /// are counted of classes in any case.
  public var metrics: [[any Metric]]
  /// What lowers the learning rate besides its schedule.
  var plateau: ReduceOnPlateau?
  /// What findings have made of it.
  var lowered: LoweredRate?
  /// Whether it began with the weights of another run.
  var beganTrained = false
  private let probeInterval: Int?
  /// Every so many updates are watched, unless said.
  public static let usualProbeInterval = 10
  /// So many updates at the start of a run are all watched: what is wrong with a network shows in these, and what ends as
  /// NaN often does so soon after.
  public static let usualFirstLooks = 20
  private let firstLooks: Int
  /// Whether probes count the exponents of what they see.
  private let countsExponents: Bool
  private let isProfiled: Bool
  private let onlyEvaluates: Bool
  /// The programs of one batch size, with or without probes. `accumulation` adds up gradients between two updates.
  private struct Trainer {
    let update: StepExecutor
    let accumulation: StepExecutor?
    let program: TrainingProgram
    var executor: ProgramExecutor { update.executor }
  }

  private struct TrainerKey: Hashable {
    let size: Int
    let isProbed: Bool
    /// How many batches an update is of.
    let accumulated: Int
  }

  private struct EvaluatorKey: Hashable {
    let size: Int
    let weights: ModelWeights
  }

  private var trainers: [TrainerKey: Trainer] = [:]
  private var evaluators: [EvaluatorKey: EvaluationExecutor] = [:]
  /// By batch size.
  private var evaluations: [Int: InferenceProgram] = [:]
  private var answers: InferenceProgram?
  private var evaluatedAtOnce: Int?

  /// Every `probeInterval`-th update runs with probes, so that watching costs next to nothing, and so do the first
  /// `firstLooks`; nil: none does. The weights do not depend on it. Without weights (`isOnlyPlanned`) it is for whoever looks
  /// at its plan: no tensor's memory is touched. With the weights of a checkpoint (`evaluating`) it evaluates and predicts,
  /// but cannot train: it has no optimizer slots. `training` is what `step` builds for that batch size, where it is at hand.
  public init(
    step: TrainingStep, batchSize: Int, seed: Int, on chain: BackendChain, probeInterval: Int? = usualProbeInterval,
    firstLooks: Int = 0, countsExponents: Bool = false, isProfiled: Bool = false, isOnlyPlanned: Bool = false,
    evaluating checkpoint: Checkpoint? = nil, training: TrainingProgram? = nil
  ) throws {
    (self.isProfiled, onlyEvaluates) = (isProfiled, checkpoint != nil)
    metrics = step.objectives.map { _ in [] }
    (self.step, self.batchSize, self.seed) = (step, batchSize, Int64(seed))
    (self.chain, self.probeInterval, self.firstLooks) = (chain, probeInterval, firstLooks)
    self.countsExponents = countsExponents
    self.training = try training ?? step.build(batchSize: batchSize)
    if let checkpoint {
      try takeWeights(of: checkpoint, parameters)
      return
    }
    if isOnlyPlanned { return }
    let room = HostMemory.available()
    let trainer = try trainer(batchSize, isProbed: false)
    // Whoever evaluates on a smaller machine never touches the rest of the plan.
    try MemoryNeed(states: trainer.executor.plan.memory.hostStates).check(against: room)
    for state in trainer.program.states {
      _ = try states.state(state.name, state.type)
      let values = state.values(seed: Int64(seed))
      try states.withMutableBytes(of: state.name) { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
    }
  }

  /// Goes on as after that many batches, updates and batches since.
  func continueAfter(_ batches: Int, updates: Int, accumulated: Int) {
    (self.batches, self.updates, self.accumulated) = (batches, updates, accumulated)
  }

  /// How the training step runs, with its probes if it has any: placement, segments, exact bytes.
  public var plan: ExecutionPlan {
    get throws { try trainer(batchSize, isProbed: probeInterval != nil).executor.plan }
  }

  /// What the step and its probes need of memory; with the samples of an epoch and of an evaluation, all of a run's need.
  public func memoryNeed(training: Int = 0, evaluation: Int = 0) throws -> MemoryNeed {
    let trainer = try trainer(batchSize, isProbed: false)
    let use = trainer.executor.plan.memory
    var need = MemoryNeed(
      states: use.hostStates, step: use.withoutStates + (trainer.accumulation?.executor.plan.memory.withoutStates ?? 0))
    if probeInterval != nil {
      need.probedStep = try self.trainer(batchSize, isProbed: true).executor.plan.memory.withoutStates
    }
    need.lastBatch = (need.step + need.probedStep) / batchSize * (training % batchSize)
    guard evaluation > 0 else { return need }
    let size = try evaluationBatchSize(evaluation, .raw)
    let once = try evaluator(min(size, evaluation), .raw).executor.plan.memory.withoutStates
    need.evaluation = once + (evaluation > size ? once / size * (evaluation % size) : 0)
    // The averaged weights have a program of their own.
    if step.averageMomentum != nil { need.evaluation *= 2 }
    return need
  }

  /// What the bits of the weights depend on besides the seed: the plan of the training step without probes, which change
  /// none of them.
  package var planFingerprint: String {
    get throws { try trainer(batchSize, isProbed: false).executor.plan.fingerprint }
  }

  private func trainer(_ size: Int, isProbed: Bool, accumulated: Int? = nil) throws -> Trainer {
    let key = TrainerKey(size: size, isProbed: isProbed, accumulated: accumulated ?? step.accumulationSteps)
    if let made = trainers[key] { return made }
    guard !onlyEvaluates else {
      throw ExecutionError(
        .invalid, "the session was made to evaluate a checkpoint: it has no optimizer slots to train with")
    }
    let (program, probes, answered) = try program(of: key)
    let executor = try ProgramExecutor(program.program, on: chain, states: states, isProfiled: isProfiled)
    let made = Trainer(
      update: try StepExecutor(executor, program.stepValues, of: step, probes: probes, answering: answered),
      accumulation: try program.accumulation.map {
        try StepExecutor(
          ProgramExecutor($0, on: chain, states: states, isProfiled: isProfiled), program.stepValues, of: step)
      },
      program: program)
    trainers[key] = made
    return made
  }

  private func program(of key: TrainerKey) throws(ProgramError) -> (TrainingProgram, [Probe], AnsweredValues) {
    if key == TrainerKey(size: batchSize, isProbed: false, accumulated: step.accumulationSteps) {
      return (training, [], AnsweredValues())
    }
    try checkBatchSize(key.size)
    var (probes, answered): ([Probe], AnsweredValues) = ([], AnsweredValues())
    func probe(_ builder: inout ProgramBuilder, _ trace: TrainingTrace) throws(ProgramError) {
      probes = try builder.attach(Self.probes(of: trace), histogram: countsExponents)
      answered = builder.answer(trace, mostBytes: mostGradientBytes)
    }
    let program = try step.build(
      batchSize: key.size, accumulated: key.accumulated, probe: key.isProbed ? probe : nil)
    return (program, probes, answered)
  }

  /// How many samples are evaluated at once: four times as many as are trained on, which is faster, where that needs no
  /// more memory than the training step, or hardly any.
  func evaluationBatchSize(_ count: Int, _ weights: ModelWeights?) throws -> Int {
    if let known = evaluatedAtOnce { return known }
    var trainingMemory: Int?
    for size in [4 * batchSize, 2 * batchSize] where count > size / 2 {
      do {
        let made = try evaluator(min(size, count), weights)
        let planned = made.executor.plan.memory.planned
        if planned > Self.littleMemory, trainingMemory == nil { trainingMemory = try plannedForTraining() }
        if planned <= max(Self.littleMemory, trainingMemory ?? 0) {
          if count >= size { evaluatedAtOnce = size }
          return size
        }
      } catch let error as ExecutionError where error.kind == .outOfMemory {}
      evaluators = [:]
    }
    if count > 2 * batchSize { evaluatedAtOnce = batchSize }
    return batchSize
  }

  /// Bytes that are hardly any.
  private static let littleMemory = 256 << 20

  /// Bytes that the training step takes.
  private func plannedForTraining() throws -> Int {
    guard onlyEvaluates else { return try trainer(batchSize, isProbed: false).executor.plan.memory.planned }
    // Planned beside this session's states, so that it gets no slots.
    return try ProgramExecutor(training.program, on: chain, states: StateStore()).plan.memory.planned
  }

  func evaluator(_ size: Int, _ wanted: ModelWeights?) throws -> EvaluationExecutor {
    let key = EvaluatorKey(size: size, weights: try weights(wanted))
    if let made = evaluators[key] { return made }
    let evaluation = try evaluations[size] ?? step.evaluation(batchSize: size)
    evaluations[size] = evaluation
    let made = try EvaluationExecutor(
      ProgramExecutor(
        key.weights == .averaged ? evaluation.onAverages : evaluation.program, on: chain, states: states), step)
    evaluators[key] = made
    return made
  }

  /// Which weights answer: unless said, the average where the step keeps one. Asking for one that is not kept is an
  /// error.
  package func weights(_ wanted: ModelWeights?) throws(ExecutionError) -> ModelWeights {
    let isKept = step.averageMomentum != nil
    guard wanted != .averaged || isKept else {
      throw ExecutionError(.invalid, "training keeps no average of the weights; ema_momentum asks for one")
    }
    return wanted ?? (isKept ? .averaged : .raw)
  }

  /// The training program's text without its placement: equal ones are of one network, loss, optimizer and batch size.
  package var programFingerprint: String {
    var fingerprint = Fingerprint()
    fingerprint.mix(training.program.description)
    return fingerprint.text
  }

  /// What a probed step answers for laws: gradients, one a trainable weight or nil, and statistics. Empty without probes.
  var answeredBySteps: (gradients: [OutputHandle?], statistics: [AnsweredValues.Statistic]) {
    get throws {
      guard probeInterval != nil else { return ([], []) }
      let made = try trainer(batchSize, isProbed: true).update
      return (made.gradients, made.statistics.map(\.statistic))
    }
  }

  /// The step as laws see it.
  var stepDescription: StepDescription {
    get throws { StepDescription(training, of: step, predicting: try inference) }
  }

  /// The network's layers, in the order in which they compute.
  public var layers: [LayerSummary] { training.layers }

  /// All weights of the network, in the order of the layers.
  package var parameters: [Parameter] { training.parameters }

  /// The program that predicts for one sample.
  package var inference: InferenceProgram {
    get throws(ProgramError) {
      if let answers { return answers }
      let program = try step.inference(batchSize: 1)
      answers = program
      return program
    }
  }

  /// δ before and after every gate, of recurrent layers by step of time too, around what else changes it, and every
  /// parameter with its gradient and update.
  private static func probes(of trace: TrainingTrace) -> [(probe: Probe, value: Value)] {
    var probes: [(Probe, Value)] = []
    let places = Dictionary(trace.points.enumerated().map { ($1.value.id, $0) }) { first, _ in first }
    var isWatched: Set<Int> = []
    /// `place` is that of a point.
    func placed(_ probe: Probe, _ place: Int?) -> Probe {
      guard let place else { return probe }
      isWatched.insert(place)
      var probe = probe
      (probe.point, probe.origins) = (place, trace.points[place].sources)
      probe.part = GradientSpan.Part(trace.points[place].part)
      return probe
    }
    for (place, gate) in trace.gates.enumerated() {
      func watch(_ kind: ProbeKind, _ delta: Value, of value: Value) {
        var probe = Probe(kind: kind, path: gate.path, gate: place, sources: gate.sources)
        probe.function = gate.function
        probes.append((placed(probe, places[value.id]), delta))
      }
      if let delta = gate.outputGradient, delta != gate.preActivationGradient {
        watch(.deltaBeforeGate, delta, of: gate.output)
      }
      guard let delta = gate.preActivationGradient else { continue }
      watch(.deltaAfterGate, delta, of: gate.preActivation)
      guard let course = gate.course else { continue }
      let overTime = Probe(
        kind: .deltaOverTime, path: gate.path, isReversed: course.isReversed, isGated: course.isGated)
      probes.append((overTime, delta))
    }
    for (place, point) in trace.points.enumerated() where !isWatched.contains(place) {
      guard let delta = point.gradient else { continue }
      probes.append((placed(Probe(kind: .deltaBetween, path: point.path), place), delta))
    }
    for parameter in trace.parameters {
      func watch(_ kind: ProbeKind, _ value: Value) {
        probes.append((Probe(kind: kind, path: parameter.parameter.name), value))
      }
      watch(.parameterGradient, parameter.gradient)
      watch(.parameterUpdate, parameter.update)
      watch(.parameter, parameter.parameter.value)
    }
    return probes
  }

  // MARK: Profile

  /// Where the time of the steps without probes went, where the session was made to measure it: those that update the
  /// weights, then those that only accumulate gradients.
  public var profile: Profile? {
    get throws {
      let trainer = try trainer(batchSize, isProbed: false)
      guard let accumulation = trainer.accumulation?.executor.profile else { return trainer.executor.profile }
      return trainer.executor.profile.map { $0 + accumulation }
    }
  }

  // MARK: Steps

  public struct StepResult {
    let executor: StepExecutor
    public var loss: Double
    /// How many samples of the batch were classified rightly; nil where targets are numbers, and of several objectives.
    public var correct: Double?
    /// Of several objectives each: what stands before its columns, its own loss, and how many were right.
    let parts: [StepExecutor.Numbers]
    /// Whether this batch ended in an update (of k accumulated batches the last does).
    public var isUpdate: Bool
    /// Whether the update was applied: false where the loss or a gradient was not finite.
    public var isFinite: Bool
    /// Whether probes saw this step.
    public var isProbed: Bool
    public var learningRate: Double
  }

  /// A step that was handed over and whose numbers are not read yet.
  public struct StartedStep {
    let executor: StepExecutor
    let run: UInt64
    /// Samples of its batch.
    public let samples: Int
    /// Batches before and with this one.
    public let batch: Int
    let isUpdate: Bool
    let isProbed: Bool
    let learningRate: Double
  }

  /// One training step on the samples at `indices`. Under gradient accumulation `endsAccumulation` updates with the
  /// batches since the last update, however few.
  public func train(
    _ dataset: any Dataset, _ indices: ArraySlice<Int32>, endsAccumulation: Bool = false
  ) throws -> StepResult {
    try finish(try start(dataset, indices, endsAccumulation: endsAccumulation))
  }

  /// Hands a training step over. Where a step may be under way while the next is started (`overlaps`), its numbers
  /// are read by `finish` after that; elsewhere it is done on return, and `finish` must come first.
  public func start(
    _ dataset: any Dataset, _ indices: ArraySlice<Int32>, endsAccumulation: Bool = false
  ) throws -> StartedStep {
    let (trainer, isUpdate, isProbed) = try nextTrainer(indices.count, endsAccumulation: endsAccumulation)
    let executor = isUpdate ? trainer.update : trainer.accumulation ?? trainer.update
    let position = StepPosition(update: updates, batch: batches, seed: seed, plateau: plateau, lowered: lowered)
    let learningRate = trainer.program.stepValues.learningRate(at: position)
    try step.optimizer.check(learningRate: learningRate, atUpdate: updates)
    try executor.feed.fill(dataset, indices, at: position)
    let run = try executor.executor.start()
    batches += 1
    if isUpdate { updates += 1 }
    accumulated = isUpdate ? 0 : accumulated + 1
    return StartedStep(
      executor: executor, run: run, samples: indices.count, batch: batches, isUpdate: isUpdate, isProbed: isProbed,
      learningRate: learningRate)
  }

  /// What the next step runs on, with a batch of so many samples.
  private func nextTrainer(
    _ count: Int, endsAccumulation: Bool
  ) throws -> (trainer: Trainer, isUpdate: Bool, isProbed: Bool) {
    let isUpdate = endsAccumulation || accumulated + 1 == step.accumulationSteps
    let isProbed = isUpdate && isWatched(count)
    let trainer = try trainer(
      count, isProbed: isProbed, accumulated: isUpdate ? accumulated + 1 : step.accumulationSteps)
    return (trainer, isUpdate, isProbed)
  }

  /// Whether the next update is looked at, with a batch of so many samples. Of the first ones not those of an epoch's rest:
  /// they have a program of their own.
  private func isWatched(_ count: Int) -> Bool {
    guard let probeInterval else { return false }
    let isUsual = count == batchSize && accumulated + 1 == step.accumulationSteps
    return (updates + 1) % probeInterval == 0 || updates < firstLooks && isUsual
  }

  /// Whether the next step is an update that is looked at, with a batch of so many samples.
  func isNextWatched(_ count: Int, endsAccumulation: Bool) -> Bool {
    (endsAccumulation || accumulated + 1 == step.accumulationSteps) && isWatched(count)
  }

  /// How the next step runs, where it is an update, with a batch of so many samples.
  func nextPlan(_ count: Int, endsAccumulation: Bool) throws -> ExecutionPlan {
    try nextTrainer(count, endsAccumulation: endsAccumulation).trainer.executor.plan
  }

  /// Where the next step reads a batch of so many samples of a data set, for whoever writes it ahead. Nobody may write there
  /// while a step reads it: where steps overlap, the last but one must be finished; elsewhere, every step.
  package func nextBatchMemory(
    _ dataset: any Dataset, count: Int, endsAccumulation: Bool = false
  ) throws -> BatchMemory {
    let (trainer, isUpdate, _) = try nextTrainer(count, endsAccumulation: endsAccumulation)
    let executor = isUpdate ? trainer.update : trainer.accumulation ?? trainer.update
    return try executor.feed.memory(for: dataset, count: count)
  }

  /// Throws where the step cannot be fed with a data set: a field that it lacks, or that does not fit.
  package func checkFields(of dataset: any Dataset) throws {
    _ = try trainer(batchSize, isProbed: false).update.feed.memory(for: dataset, count: batchSize)
  }

  /// Whether a step may be started before the one before it is finished.
  public var overlaps: Bool {
    get throws { try trainer(batchSize, isProbed: false).executor.depth > 1 }
  }

  /// Waits for a step and reads its numbers; steps are finished in the order in which they were started.
  public func finish(_ step: StartedStep) throws -> StepResult {
    try step.executor.executor.finish(step.run)
    let numbers = try step.executor.numbers()
    return StepResult(
      executor: step.executor, loss: numbers.loss, correct: numbers.correct,
      parts: try step.executor.numbersByObjective(), isUpdate: step.isUpdate,
      isFinite: try step.executor.allowedUpdate() ?? numbers.loss.isFinite,
      isProbed: step.isProbed, learningRate: step.learningRate)
  }

  /// What the probes saw in a step, if it had any; before another step is finished.
  public func probeRows(of result: StepResult, step: Int) throws -> ProbeRows {
    guard result.isProbed else {
      return ProbeRows(step: step, loss: result.loss, isApplied: result.isFinite, rows: [])
    }
    let rows = try result.executor.probed()
    return ProbeRows(
      step: step, loss: result.loss, isApplied: result.isFinite, rows: rows,
      courses: try result.executor.probedCourses(), facts: try facts(of: result, step: step, rows))
  }

  /// How often this session's executors found something by its name.
  package var nameSearchCount: Int {
    trainers.values.reduce(0) {
      $0 + $1.executor.nameSearchCount + ($1.accumulation?.executor.nameSearchCount ?? 0)
    } + evaluators.values.reduce(0) { $0 + $1.executor.nameSearchCount }
  }
}

extension GradientSpan.Part {
  /// The monitor's word for it.
  fileprivate init(_ part: WayPart) {
    self =
      switch part {
      case .weights: .weights
      case .gate: .gate
      case .recurrence: .recurrence
      case .pooling: .pooling
      case .normalization: .normalization
      case .dropout: .dropout
      case .join: .join
      }
  }
}

import SwitchbackPrograms

/// What a training step consists of; `build` makes a program of it for a batch size, so the smaller last batch of an
/// epoch is a second call.
///
/// **Gradient accumulation** over k batches is two programs over the same states. The one called `accumulate` runs
/// forward and backward and adds each gradient to the state `accumulator/<parameter>`; it runs k − 1 times. The other,
/// `train`, runs forward and backward for the k-th batch, updates with (accumulator + gradient) / k, and sets the
/// accumulators to zero. So no program has a branch or a counter, the k-th batch costs no extra pass, and k changes
/// nothing but one constant. A gradient that is not finite stays in its accumulator until then, forbids that update,
/// and is forgotten. Fewer batches, as are left at the end of an epoch, are updated with by a `train` built for them:
/// (accumulator + gradient) / their number. Learning rates, bias corrections and averages count updates.
///
/// **States that layers replace**, such as running statistics, are written behind the guard of the weights; under
/// accumulation by every batch, behind that batch's own.
///
/// **Moving average of the weights**: the states `ema/<parameter>` follow by e ← w + m·(e − w) after each update, with
/// m the step value `averageMomentum`: 0 at the first update, as Keras starts, then `averageMomentum`.
public struct TrainingStep: Sendable {
  public var model: any Layer { didSet { traced = nil } }
  /// What the model reads of a batch.
  public var inputs: [ModelInput] { didSet { traced = nil } }
  /// The model for one sample, once `outputShapes` has traced it.
  private(set) var traced: TracedModel?
  /// What is made small: their sum, by their weights.
  public var objectives: [Objective]
  public var optimizer: any Optimizer
  public var clipping: GradientClipping?
  public var accumulationSteps: Int
  /// The momentum of the weights' moving average (Keras's `ema_momentum`, there 0.99); `nil` for none.
  public var averageMomentum: Double?
  /// Whether clipping knows a norm that overflows Float32; a run that was begun without goes on without, since its
  /// checkpoints are of that program.
  package var scalesNorms = true
  /// The state that holds the class weights of an objective.
  package static func classWeightsName(_ prefix: String = "") -> String { prefix + "loss/classWeights" }
  /// Whether a state holds class weights.
  package static func isClassWeights(_ name: String) -> Bool {
    name == classWeightsName() || name.hasSuffix("/" + classWeightsName())
  }

  /// Adds calls that watch the step, such as `statistics`, and names their results as outputs.
  public typealias ProbeAttachment = (inout ProgramBuilder, TrainingTrace) throws(ProgramError) -> Void

  /// A step of a model with one input, f32 of `sampleShape` (without the batch: `[28, 28, 1]`).
  public init(
    model: any Layer, sampleShape: Shape, loss: any Loss, optimizer: any Optimizer, targets: Targets? = nil,
    classWeights: [Double] = [], clipping: GradientClipping? = nil, accumulationSteps: Int = 1,
    averageMomentum: Double? = nil, inputName: String = "images"
  ) {
    self.init(
      model: model, inputs: [ModelInput(inputName, .float32(sampleShape))],
      objectives: [Objective(loss: loss, targets: targets, classWeights: classWeights)], optimizer: optimizer,
      clipping: clipping, accumulationSteps: accumulationSteps, averageMomentum: averageMomentum)
  }

  /// A step of a model with any inputs and one or more objectives.
  public init(
    model: any Layer, inputs: [ModelInput], objectives: [Objective], optimizer: any Optimizer,
    clipping: GradientClipping? = nil, accumulationSteps: Int = 1, averageMomentum: Double? = nil
  ) {
    self.model = model
    self.inputs = inputs
    self.objectives = objectives
    self.optimizer = optimizer
    self.clipping = clipping
    self.accumulationSteps = accumulationSteps
    self.averageMomentum = averageMomentum
  }

  /// The shapes of the model's outputs, without the batch. The model is traced for one sample, and
  /// `inference(batchSize: 1)` makes its program of that trace.
  package mutating func outputShapes() throws(ProgramError) -> [[Int]] {
    let sample = try TracedModel(model, inputs: inputs, batchSize: 1, programName: "predict", isTraining: false)
    _ = try TracedModel.finish(sample.builder)
    traced = sample
    return sample.results.map { Array(sample.builder.type(of: $0).shape.extents.dropFirst()) }
  }

  /// The programs for batches of `batchSize`; an update is of `accumulated` batches, which are `accumulationSteps`
  /// unless said.
  ///
  /// `probe` is called once, and then there is no program for accumulation beside. Its calls change no number of the
  /// step: the program without them is the program with them left out. Each stands right behind the call whose result it
  /// reads; what reads states alone stands before all others, and sees them as they were before the update.
  public func build(
    batchSize: Int, accumulated: Int? = nil, probe: ProbeAttachment? = nil
  ) throws(ProgramError) -> TrainingProgram {
    try build(batchSize: batchSize, accumulated: accumulated, probe: probe, seesUpdatedStates: false)
  }

  /// `seesUpdatedStates` has what reads states alone see them after the update, behind all other calls of the step.
  package func build(
    batchSize: Int, accumulated: Int? = nil, probe: ProbeAttachment?, seesUpdatedStates: Bool
  ) throws(ProgramError) -> TrainingProgram {
    guard accumulationSteps >= 1 else {
      throw ProgramError("accumulationSteps must be at least 1, not \(accumulationSteps)")
    }
    let accumulated = accumulated ?? accumulationSteps
    guard (1...accumulationSteps).contains(accumulated) else {
      throw ProgramError("an update is of 1 to \(accumulationSteps) batches, not of \(accumulated)")
    }
    if let momentum = averageMomentum, !NumberRange.kept.contains(momentum) {
      throw ProgramError("averageMomentum must lie in 0 ..< 1, not be \(momentum)")
    }
    try optimizer.check()
    var accumulation: Program?
    if accumulated > 1, accumulated == accumulationSteps, probe == nil {
      var gradients = try backward(batchSize, name: "accumulate")
      try gradients.accumulate()
      try gradients.replaceStates(where: gradients.areFinite())
      try gradients.finishOutputs()
      accumulation = try TracedModel.finish(gradients.builder)
    }
    var step = try backward(batchSize, name: "train")
    let (trace, slots) = try apply(&step, accumulated: accumulated)
    let callCount = step.builder.program.calls.count
    if let probe {
      step.builder.path = "probes"
      try probe(&step.builder, trace)
      step.builder.placeBehindProducers(callsFrom: callCount, readsStatesLast: seesUpdatedStates)
    }
    try step.finishOutputs()
    step.builder.output(StepOutput.isFinite, trace.isFinite)
    let program = try TracedModel.finish(step.builder)
    let weights = step.parameters.map { InitialState($0) }
    return TrainingProgram(
      program: program, accumulation: accumulation, accumulationSteps: accumulationSteps, layers: step.layers,
      parameters: step.parameters, states: weights + step.objectiveStates + slots, trace: trace,
      stepValues: try stepValues(program))
  }

  private func stepValues(_ program: Program) throws(ProgramError) -> StepValues {
    let optimizer = optimizer
    let averageMomentum = averageMomentum ?? 0
    return try StepValues(
      program,
      [
        "learningRate": { position in
          let scheduled = optimizer.learningRate(position.update)
          let rate = position.plateau?.learningRate(scheduled) ?? scheduled
          return .scalar(position.lowered?.learningRate(rate, batch: position.batch) ?? rate)
        },
        "correction": { .scalar(optimizer.correction(atUpdate: $0.update)) },
        "randomKey": { .key(seed: $0.seed, counter: Int64($0.batch)) },
        "averageMomentum": { .scalar($0.update == 0 ? 0 : averageMomentum) },
      ])
  }

  // MARK: Forward and backward

  private func backward(_ batchSize: Int, name: String) throws(ProgramError) -> BackwardPass {
    var traced = try TracedModel(model, inputs: inputs, batchSize: batchSize, programName: name, isTraining: true)
    let layers = traced.layers
    let judged = try traced.judge(objectives)
    traced.builder.path = "loss"
    var (sum, parts): (Value?, [Value]) = (nil, [])
    for (calls, result) in judged {
      parts.append(try traced.builder.append(Reduce(.mean, axes: [0]), result.perSample))
      let weight = calls.objective.weight
      let weighted = weight == 1 ? parts.last! : try traced.builder.scale(parts.last!, by: weight)
      sum = if let sum { try traced.builder.append(Binary(.add), sum, weighted) } else { weighted }
    }
    guard var total = sum else { throw ProgramError("training needs an objective") }
    if let penalty = try traced.penalty() { total = try traced.builder.append(Binary(.add), total, penalty) }

    let trainable = traced.parameters.filter(\.isTrainable)
    guard !trainable.isEmpty else { throw ProgramError("the model has no weights to train") }
    let byValue = try traced.builder.gradients(of: total, for: trainable.map(\.value))
    let pairs = try trainable.map { parameter throws(ProgramError) -> (parameter: Parameter, gradient: Value) in
      guard let gradient = byValue[parameter.value.id] else {
        throw ProgramError(
          "the loss does not depend on \(parameter.name); use it, or declare it with isTrainable: false",
          path: parameter.path)
      }
      return (parameter, gradient)
    }
    var gates = traced.gates
    for place in gates.indices {
      gates[place].preActivationGradient = byValue[gates[place].preActivation.id]
      gates[place].outputGradient = byValue[gates[place].output.id]
    }
    var points = traced.points
    for place in points.indices { points[place].gradient = byValue[points[place].value.id] }
    return BackwardPass(
      builder: traced.builder, layers: layers, loss: total,
      parts: zip(judged, parts).map { ($0.calls.prefix, $1, $0.result) }, parameters: traced.parameters,
      pairs: pairs, replacements: traced.replacements, gates: gates, points: points,
      objectiveStates: judged.flatMap(\.result.states))
  }

  // MARK: Update

  /// Appends accumulation, clipping, the optimizer and the moving average; answers what was made and its states.
  private func apply(
    _ step: inout BackwardPass, accumulated: Int
  ) throws(ProgramError) -> (TrainingTrace, [InitialState]) {
    let paths = step.pairs.map { $0.parameter.path }
    var states: [InitialState] = []
    let accumulators = accumulationSteps > 1 ? step.accumulators() : []
    states += accumulators.map(\.state)
    var gradients = step.pairs.map(\.gradient)
    for (index, accumulator) in accumulators.enumerated() {
      step.builder.path = paths[index]
      let sum = try step.builder.append(Binary(.add), accumulator.value, gradients[index])
      gradients[index] = try step.builder.scale(sum, by: 1 / Double(accumulated))
    }

    step.builder.path = "optimizer"
    var guarded = [step.loss] + gradients + (accumulated == 1 ? step.replacements.map(\.value) : [])
    if let clipping {
      let clipped = try clipping(gradients, paths: paths, scalesNorms: scalesNorms, in: &step.builder)
      gradients = clipped.gradients
      guarded += clipped.norms
    }
    let allow = try step.builder.append(AllFinite(), guarded)[0]
    let learningRate = step.builder.step("learningRate", .float32([]))

    var parameters: [ParameterTrace] = []
    for (pair, gradient) in zip(step.pairs, gradients) {
      let parameter = pair.parameter
      let update = optimizer.update(for: parameter)
      step.builder.path = parameter.path
      let slots = update.slotNames.map { slot in
        InitialState(
          name: "optimizer/\(parameter.name)/\(slot)", type: parameter.type,
          initializer: .constant(optimizer.initialValue(ofSlot: slot)))
      }
      states += slots
      var operands = [parameter.value, gradient] + slots.map { step.builder.state($0.name, $0.type) }
      operands.append(learningRate)
      if type(of: update).takesCorrection { operands.append(step.builder.step("correction", .float32([]))) }
      operands.append(allow)
      let results = try step.builder.append(update, operands)
      parameters.append(
        ParameterTrace(
          parameter: parameter, gradient: pair.gradient, appliedGradient: gradient, update: results.last!))
    }
    try step.replaceStates(where: accumulated == 1 ? allow : step.areFinite())
    try step.reset(accumulators.map(\.value))
    if averageMomentum != nil { states += try step.average() }
    step.builder.path = ""
    return (
      TrainingTrace(
        gates: step.gates, points: step.points, parameters: parameters, loss: step.loss, isFinite: allow), states
    )
  }
}

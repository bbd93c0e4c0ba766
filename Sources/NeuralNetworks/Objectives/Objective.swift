import SwitchbackPrograms

/// What is to be made small: how far a result of the model is from a field of the data.
public struct Objective: Sendable {
  /// The model's result that is judged, by its name; nil: the first.
  public var output: String?
  /// The field that says what is right: for classes i32 `[]` or, of a result `[T, classes]`, a class a step i32 `[T]`; for
  /// values f32 shaped like the result.
  public var target: String
  public var loss: any Loss
  /// What the target is.
  public var targets: Targets
  /// Its part in the sum of several objectives.
  public var weight: Double
  /// One factor a class for the loss of its samples; empty for none. The mean stays over the batch (Keras).
  public var classWeights: [Double]
  /// A field f32 `[]` with a factor for the loss of each sample; nil for none. The mean stays over the batch (Keras).
  public var sampleWeight: String?
  /// Of a target by steps, which of them are valid, beside the mask that the result has; nil: all.
  public var mask: ModelInput.Mask?
  /// Of a class a sample: where it is said that samples are mixtures; nil where they are not.
  public var mixing: Mixing?

  /// `targets`: unless said, what the loss expects.
  public init(
    output: String? = nil, target: String = "labels", loss: any Loss, targets: Targets? = nil, weight: Double = 1,
    classWeights: [Double] = [], sampleWeight: String? = nil, mask: ModelInput.Mask? = nil
  ) {
    (self.output, self.target, self.loss, self.weight) = (output, target, loss, weight)
    self.targets = targets ?? loss.targets
    (self.classWeights, self.sampleWeight, self.mask) = (classWeights, sampleWeight, mask)
  }
}

extension Objective {
  /// The name of the result that is judged, of a model with these results; nil where neither says one.
  func outputName(among resultNames: [String]) -> String? { output ?? resultNames.first }

  /// Whether a result `[N, T, classes]` is judged by a class a step.
  func isOfSteps(_ result: Value) -> Bool { targets == .classes && result.shape.rank == 3 }
}

extension [Objective] {
  /// What stands before the names of one of these, in programs and in columns of metrics: `digit/`; nothing before those of
  /// one alone.
  func prefix(of objective: Objective, among resultNames: [String]) -> String {
    count > 1 ? (objective.outputName(among: resultNames) ?? "") + "/" : ""
  }
}

extension TrainingStep {
  /// What stands before an objective's names, where there are several: `digit/`.
  public func prefix(of objective: Objective) -> String {
    objectives.prefix(of: objective, among: model.resultNames)
  }
}

/// An objective in a program.
struct ObjectiveCalls {
  let objective: Objective
  /// What stands before its names where there are several: `digit/`.
  let prefix: String
  /// The fields that the model reads too, as its layers read them.
  let fields: [String: Value]
  /// Which steps of a result are valid, by its number.
  let masks: [Int: Value]
  /// Whether right answers are counted, where targets are classes.
  private(set) var countsRight = true

  private var loss: any Loss { objective.loss }
  private var targets: Targets { objective.targets }
  private var classWeights: [Double] { objective.classWeights }

  /// What `callAsFunction` found.
  struct Result {
    /// One loss a sample, `[N]`, weighted.
    var perSample: Value
    /// f32 `[]`: how many samples are classified rightly (the sum of their weights, where samples have weights); `nil`
    /// where they are not counted. Of classes by steps a sample counts by the share of its steps or, where steps are
    /// masked, by how many of the valid ones are right.
    var correct: Value?
    /// f32 `[N]`, where samples have weights, or valid steps that are counted.
    var sampleWeights: Value?
    /// Which steps are judged, bool `[N, T]`; nil where all are, or targets are by samples.
    var mask: Value?
    /// The state that holds the class weights.
    var states: [InitialState] = []
  }

  /// Declares the target's input and appends the loss of each sample. Right answers are counted from what enters the last
  /// gate.
  func callAsFunction(_ output: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Result {
    let outer = builder.path
    defer { builder.path = outer }
    builder.path = prefix + "loss"
    guard output.shape.rank >= 2 else {
      throw ProgramError("the model's output must be [N, …], not \(output.shape)", path: builder.path)
    }
    if targets == .values { return try ofValues(output, in: &builder) }
    return try objective.isOfSteps(output) ? ofStepClasses(output, in: &builder) : ofClasses(output, in: &builder)
  }

  /// Numbers shaped like the output.
  private func ofValues(_ output: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Result {
    guard classWeights.isEmpty else {
      throw ProgramError("class weights need labels that are classes", path: builder.path)
    }
    let predictions = try Predictions(output, in: &builder)
    let mask = try mask(of: output, .float32(output.shape), in: &builder)
    let numbers = try input(objective.target, .float32(output.shape), in: &builder)
    var result = Result(perSample: try perSample(predictions, numbers, mask, in: &builder), mask: mask)
    try weighSamples(&result, in: &builder)
    return result
  }

  /// A class a sample: predictions `[N, classes]`, labels `[N]`.
  private func ofClasses(_ output: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Result {
    let labelType = TensorType.int32([output.shape[0]])
    let predictions = try Predictions(output, in: &builder)
    // A sample's class has no steps: a mask is an error.
    _ = try mask(of: output, labelType, in: &builder)
    let labels = try input(objective.target, labelType, in: &builder)
    let losses = try losses(predictions, labels, a: "sample", in: &builder)
    var result = Result(perSample: try mixed(losses, predictions, in: &builder), states: classWeightStates)
    try weighSamples(&result, in: &builder)
    guard countsRight else { return result }
    builder.path = prefix + "metrics"
    try count(right(predictions, labels, in: &builder), of: nil, in: &result, &builder)
    return result
  }

  /// A class a step: predictions `[N, T, classes]`, labels `[N, T]`.
  private func ofStepClasses(_ output: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Result {
    guard objective.mixing == nil else {
      throw ProgramError(
        "only a class a sample is mixed, and \(objective.target) has one a step of \(output.shape)", path: builder.path)
    }
    let (batch, steps) = (output.shape[0], output.shape[1])
    let mask = try mask(of: output, .int32([batch, steps]), in: &builder)
    let given = try input(objective.target, .int32([batch, steps]), in: &builder)
    let judged = try JudgedSteps(batch, steps, mask, rank: 2, in: &builder)
    let labels = try builder.append(Reshape(shape: [batch * steps]), given)
    let rows = try Predictions(builder.stepRows(of: output), in: &builder)
    let predictions = try judged.kept(rows, in: &builder)
    let losses = try losses(predictions, labels, a: "step", in: &builder)
    var result = Result(
      perSample: try judged.means(losses, in: &builder), mask: mask, states: classWeightStates)
    try weighSamples(&result, in: &builder)
    guard countsRight else { return result }
    builder.path = prefix + "metrics"
    let (counted, counts) = try judged.totals(right(predictions, labels, in: &builder), in: &builder)
    try count(counted, of: counts, in: &result, &builder)
    return result
  }

  /// The loss of each row, weighted by its class: of predictions `[R, classes]` and labels `[R]`, one a sample or a step.
  private func losses(
    _ predictions: Predictions, _ labels: Value, a row: String, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let numbers = try numbers(for: labels, like: predictions.values, in: &builder)
    let losses = try loss(predictions, numbers, in: &builder)
    guard losses.shape == labels.shape else { throw notOne(a: row, labels.shape[0], losses) }
    return try weighed(losses, by: labels, like: predictions.values, in: &builder)
  }

  /// The loss of each sample, where samples are mixtures of two classes.
  private func mixed(
    _ own: Value, _ predictions: Predictions, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    guard let mixing = objective.mixing else { return own }
    let partners = try input(mixing.partner, .int32(own.shape), in: &builder)
    let share = try input(mixing.share, .float32(own.shape), in: &builder)
    let others = try losses(predictions, partners, a: "sample", in: &builder)
    // So written, nothing of another one leaves the loss with its bits.
    let difference = try builder.append(Binary(.subtract), others, own)
    let part = try builder.append(Binary(.multiply), difference, share)
    return try builder.append(Binary(.add), own, part)
  }

  /// Counts right answers: of each sample, and of how many steps where these are counted.
  private func count(
    _ right: Value, of counts: Value?, in result: inout Result, _ builder: inout ProgramBuilder
  ) throws(ProgramError) {
    var (right, counts) = (right, counts)
    if let weights = result.sampleWeights {
      right = try builder.append(Binary(.multiply), right, weights)
      if let steps = counts { counts = try builder.append(Binary(.multiply), steps, weights) }
    }
    result.correct = try builder.append(Reduce(.sum, axes: [0]), right)
    result.sampleWeights = counts ?? result.sampleWeights
  }

  private func notOne(a what: String, _ count: Int, _ losses: Value) -> ProgramError {
    ProgramError("\(loss.name) must give one number a \(what), [\(count)], not \(losses.shape)", path: prefix + "loss")
  }

  /// Which steps of a result are valid, where the target has one a step too.
  func mask(of output: Value) -> Value? { masks[output.id] }

  /// Which steps are judged: those that are valid in the result and in the target.
  private func mask(
    of output: Value, _ labelType: TensorType, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value? {
    guard targets == .values || output.shape.rank == 3 || masks[output.id] == nil else {
      throw ProgramError(
        "class labels are one a sample or one a step of [N, T, classes], and the output \(output.shape) has a mask of its "
          + "steps", path: builder.path)
    }
    guard let own = objective.mask else { return masks[output.id] }
    let outer = builder.path
    defer { builder.path = outer }
    let sample = labelType.with(shape: Shape(Array(labelType.shape.extents.dropFirst())))
    let target = ModelInput(objective.target, sample)
    let isKnown = own.isLengths && own.fault(of: sample) == nil
    let known = isKnown ? builder.sequenceMask(of: own.name, steps: sample.shape[0]) : nil
    let mask = if let known { known } else { try builder.read(own, of: target, batchSize: labelType.shape[0]) }
    guard let other = masks[output.id], other != mask else { return mask }
    builder.path = outer
    return try builder.both(other, mask)
  }

  private func weighSamples(_ result: inout Result, in builder: inout ProgramBuilder) throws(ProgramError) {
    guard let field = objective.sampleWeight else { return }
    let weights = try input(field, .float32([result.perSample.shape[0]]), in: &builder)
    result.perSample = try builder.append(Binary(.multiply), result.perSample, weights)
    result.sampleWeights = weights
  }

  /// The loss of each sample of numbers; of masked steps the mean over the valid ones, 0 where there are none.
  private func perSample(
    _ predictions: Predictions, _ numbers: Value, _ mask: Value?, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    guard let mask else {
      let losses = try loss(predictions, numbers, in: &builder)
      guard losses.shape == [numbers.shape[0]] else { throw notOne(a: "sample", numbers.shape[0], losses) }
      return losses
    }
    let (batch, steps) = (mask.shape[0], mask.shape[1])
    let features = Array(numbers.shape.extents.dropFirst(2))
    let shape = [batch * steps] + (features.isEmpty ? [1] : features)
    let judged = try JudgedSteps(batch, steps, mask, rank: shape.count, in: &builder)
    func rows(_ value: Value, _ builder: inout ProgramBuilder) throws(ProgramError) -> Value {
      try builder.append(Reshape(shape: shape), value)
    }
    let kept = try judged.kept(predictions, in: &builder, rows)
    let losses = try loss(kept, judged.kept(rows(numbers, &builder), in: &builder), in: &builder)
    guard losses.shape == [batch * steps] else { throw notOne(a: "step", batch * steps, losses) }
    return try judged.means(losses, in: &builder)
  }

  /// The same for an evaluation, which weighs no classes and mixes no samples, and whose metrics count right answers.
  var evaluating: ObjectiveCalls {
    var objective = objective
    (objective.classWeights, objective.mixing) = ([], nil)
    return ObjectiveCalls(objective: objective, prefix: prefix, fields: fields, masks: masks, countsRight: false)
  }

  /// A field that the program has already is one value, whoever reads it.
  private func input(
    _ name: String, _ type: TensorType, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    guard let id = builder.program.value(named: name), builder.program.values[id].role == .input else {
      return builder.input(name, type)
    }
    let value = fields[name] ?? builder.value(id)
    guard value.type == type else {
      throw ProgramError("needs \(name) as \(type), and another reader has it as \(value.type)", path: builder.path)
    }
    return value
  }

  private func classCount(_ output: Value) throws(ProgramError) -> Int {
    guard output.shape.rank == 2 else {
      throw ProgramError(
        "class labels need an output [N, classes], or by steps [N, T, classes], not \(output.shape); put a flatten and a "
          + "dense layer at the end",
        path: prefix + "loss")
    }
    return output.shape[1]
  }

  /// Class numbers as targets of the predictions' shape: one-hot rows, or for a single output the number itself.
  private func numbers(
    for labels: Value, like output: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let classes = try classCount(output)
    if classes > 1 { return try builder.append(OneHot(classes: classes), labels) }
    guard loss.isForSingleOutput else {
      throw ProgramError(
        "\(loss.name) needs an output for each class, and the model has one; use binaryCrossentropy", path: builder.path
      )
    }
    let cast = try builder.append(Cast(to: .float32), labels)
    return try builder.append(Reshape(shape: output.shape.extents), cast)
  }

  /// The state that holds the class weights, where there are any.
  private var classWeightStates: [InitialState] {
    guard !classWeights.isEmpty else { return [] }
    return [
      InitialState(
        name: TrainingStep.classWeightsName(prefix), type: .float32([classWeights.count]),
        initializer: .values(classWeights.map { Float($0) }))
    ]
  }

  /// The losses of rows, each with the weight of its class.
  private func weighed(
    _ losses: Value, by labels: Value, like output: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    guard let state = classWeightStates.first else { return losses }
    let classes = max(2, try classCount(output))
    guard classWeights.count == classes, classWeights.allSatisfy(NumberRange.factor.contains) else {
      throw ProgramError(
        "there are \(classes) classes, so class weights are \(classes) non-negative numbers, not \(classWeights)",
        path: builder.path)
    }
    guard classWeights.contains(where: { $0 > 0 }) else {
      throw ProgramError("all class weights are 0: nothing would be learned", path: builder.path)
    }
    // Both classes of a mixture are looked up in one state.
    let known = builder.program.value(named: state.name).map { builder.value($0) }
    let table = known ?? builder.state(state.name, state.type)
    let weights = try builder.append(Gather(axis: 0), table, labels)
    return try builder.append(Binary(.multiply), losses, weights)
  }

  /// Of each row 1 or 0, f32 `[N]`. The largest output is the answer; of a single one, whether it is above one half (a logit:
  /// above 0).
  private func right(
    _ predictions: Predictions, _ labels: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let scores = predictions.logits
    let found: Value
    if scores.shape[1] > 1 {
      found = try builder.append(ArgMax(axis: 1), scores)
    } else {
      let isLogit = predictions.gate != .none || loss.fromLogits
      let threshold = try builder.scalar(isLogit ? 0 : 0.5, .float32)
      let isPositive = try builder.append(Binary(.greater), scores, threshold)
      let cast = try builder.append(Cast(to: .int32), isPositive)
      found = try builder.append(Reshape(shape: labels.shape.extents), cast)
    }
    let isRight = try builder.append(Binary(.equal), found, labels)
    return try builder.append(Cast(to: .float32), isRight)
  }
}

extension Loss {
  /// A softmax over one class is always 1.
  fileprivate var isForSingleOutput: Bool {
    !(self is CategoricalCrossentropy) && !(self is SparseCategoricalCrossentropy)
  }
}

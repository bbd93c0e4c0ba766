import SwitchbackPrograms

/// What is to be made small: how far a result of the model is from a field of the data.
public struct Objective: Sendable {
  /// The model's result that is judged, by its name; nil: the first.
  public var output: String?
  /// The field that says what is right: i32 `[]` for classes, f32 shaped like the result for values.
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
  /// Of classes: where it is said that samples are mixtures; nil where they are not.
  public var mixing: Mixing?

  /// The fields of mixed samples (Zhang et al. 2018, section 2), whose loss is (1 − share)·loss(target) + share·loss(partner):
  /// that of the mixed target, where a loss is linear in it as cross entropies are, and with its gradient where it is
  /// quadratic. Right answers are those that agree with the target. Evaluations know no mixture.
  public struct Mixing: Hashable, Sendable {
    /// i32 `[]`: the other class.
    public var partner: String
    /// f32 `[]`.
    public var share: String

    public init(partner: String, share: String) { (self.partner, self.share) = (partner, share) }
  }

  /// `targets`: unless said, what the loss expects.
  public init(
    output: String? = nil, target: String = "labels", loss: any Loss, targets: Targets? = nil, weight: Double = 1,
    classWeights: [Double] = [], sampleWeight: String? = nil
  ) {
    (self.output, self.target, self.loss, self.weight) = (output, target, loss, weight)
    self.targets = targets ?? loss.targets
    (self.classWeights, self.sampleWeight) = (classWeights, sampleWeight)
  }
}

extension Objective {
  /// The name of the result that is judged, of a model with these results; nil where neither says one.
  func outputName(among resultNames: [String]) -> String? { output ?? resultNames.first }
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
    /// where they are not counted.
    var correct: Value?
    /// f32 `[N]`, where samples have weights.
    var sampleWeights: Value?
    /// The state that holds the class weights.
    var states: [InitialState] = []
  }

  /// Declares the target's input and appends the loss of each sample. Right answers are counted from what enters the last
  /// gate.
  func callAsFunction(_ output: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Result {
    let outer = builder.path
    defer { builder.path = outer }
    builder.path = prefix + "loss"
    let predictions = try Predictions(output, in: &builder)
    guard output.shape.rank >= 2 else {
      throw ProgramError("the model's output must be [N, …], not \(output.shape)", path: builder.path)
    }
    let batch = output.shape[0]
    guard targets == .values || masks[output.id] == nil else {
      throw ProgramError(
        "class labels are one a sample, and the output \(output.shape) has a mask of its steps; put a layer between that "
          + "makes one of the steps, such as a pooling over time", path: builder.path)
    }
    let labelType: TensorType = targets == .classes ? .int32([batch]) : .float32(output.shape)
    let labels = try input(objective.target, labelType, in: &builder)
    var result = Result(perSample: try perSample(predictions, of: labels, like: output, in: &builder))
    if !classWeights.isEmpty { result.states = try weigh(&result.perSample, by: labels, like: output, in: &builder) }
    if let mixing = objective.mixing, targets == .classes {
      let partners = try input(mixing.partner, labelType, in: &builder)
      let share = try input(mixing.share, .float32([batch]), in: &builder)
      var others = try perSample(predictions, of: partners, like: output, in: &builder)
      if !classWeights.isEmpty { _ = try weigh(&others, by: partners, like: output, in: &builder) }
      // So written, nothing of another one leaves the loss with its bits.
      let difference = try builder.append(Binary(.subtract), others, result.perSample)
      let part = try builder.append(Binary(.multiply), difference, share)
      result.perSample = try builder.append(Binary(.add), result.perSample, part)
    }
    if let field = objective.sampleWeight {
      let weights = try input(field, .float32([batch]), in: &builder)
      result.perSample = try builder.append(Binary(.multiply), result.perSample, weights)
      result.sampleWeights = weights
    }
    if targets == .classes, countsRight {
      builder.path = prefix + "metrics"
      result.correct = try correct(predictions, labels, result.sampleWeights, in: &builder)
    }
    return result
  }

  /// The loss of each sample whose targets are those: `[N]`.
  private func perSample(
    _ predictions: Predictions, of labels: Value, like output: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let numbers = targets == .classes ? try numbers(for: labels, like: output, in: &builder) : labels
    let losses = try perSample(predictions, numbers, mask(of: output), in: &builder)
    guard losses.shape == [output.shape[0]] else {
      throw ProgramError(
        "\(loss.name) must give one number a sample, [\(output.shape[0])], not \(losses.shape)", path: builder.path)
    }
    return losses
  }

  /// Which steps of a result are valid, where targets are by steps.
  func mask(of output: Value) -> Value? { masks[output.id] }

  /// A prediction and a target that every loss and its slope are finite at: a probability, a logit and a number that is not 0.
  private static let masked = 0.5

  /// The loss of each sample; of masked steps the mean over the valid ones, 0 where there are none. Steps are then judged as
  /// if they were samples, which every loss can.
  private func perSample(
    _ predictions: Predictions, _ numbers: Value, _ mask: Value?, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    guard let mask else { return try loss(predictions, numbers, in: &builder) }
    let (batch, steps) = (mask.shape[0], mask.shape[1])
    let features = Array(numbers.shape.extents.dropFirst(2))
    let shape = [batch * steps] + (features.isEmpty ? [1] : features)
    let isValid = try builder.append(
      Reshape(shape: [batch * steps] + [Int](repeating: 1, count: shape.count - 1)), mask)
    // What stands at a masked step is left out before the loss too, whose slope there may be NaN or infinite: 0 times that
    // is not 0.
    func rows(_ value: Value, _ builder: inout ProgramBuilder) throws(ProgramError) -> Value {
      let rows = try builder.append(Reshape(shape: shape), value)
      return try builder.append(Select(), isValid, rows, builder.scalar(Self.masked, rows.type.elementType))
    }
    let values = try rows(predictions.values, &builder)
    let judged = try Predictions(
      values: values, gate: predictions.gate,
      logits: predictions.logits == predictions.values ? values : rows(predictions.logits, &builder))
    let losses = try loss(judged, rows(numbers, &builder), in: &builder)
    guard losses.shape == [batch * steps] else {
      throw ProgramError(
        "\(loss.name) must give one number a step, [\(batch * steps)], not \(losses.shape)", path: builder.path)
    }
    let bySteps = try builder.append(Reshape(shape: [batch, steps]), losses)
    let kept = try builder.append(Select(), mask, bySteps, builder.scalar(0, bySteps.type.elementType))
    let sum = try builder.append(Reduce(.sum, axes: [1]), kept)
    return try builder.append(Binary(.divide), sum, builder.validCounts(mask))
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
        "class labels need an output [N, classes], not \(output.shape); put a flatten and a dense layer at the end",
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

  /// Multiplies the loss of each sample with the weight of its class; answers the state that holds these.
  private func weigh(
    _ losses: inout Value, by labels: Value, like output: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> [InitialState] {
    guard targets == .classes else {
      throw ProgramError("class weights need labels that are classes", path: builder.path)
    }
    let classes = max(2, try classCount(output))
    guard classWeights.count == classes, classWeights.allSatisfy(NumberRange.factor.contains) else {
      throw ProgramError(
        "there are \(classes) classes, so class weights are \(classes) non-negative numbers, not \(classWeights)",
        path: builder.path)
    }
    guard classWeights.contains(where: { $0 > 0 }) else {
      throw ProgramError("all class weights are 0: nothing would be learned", path: builder.path)
    }
    let state = InitialState(
      name: TrainingStep.classWeightsName(prefix), type: .float32([classes]),
      initializer: .values(classWeights.map { Float($0) }))
    let table =
      builder.program.value(named: state.name).map { builder.value($0) } ?? builder.state(state.name, state.type)
    let weights = try builder.append(Gather(axis: 0), table, labels)
    losses = try builder.append(Binary(.multiply), losses, weights)
    return [state]
  }

  /// The largest output is the answer; of a single one, whether it is above one half (a logit: above 0).
  private func correct(
    _ predictions: Predictions, _ labels: Value, _ weights: Value?, in builder: inout ProgramBuilder
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
    var counted = try builder.append(Cast(to: .float32), isRight)
    if let weights { counted = try builder.append(Binary(.multiply), counted, weights) }
    return try builder.append(Reduce(.sum, axes: [0]), counted)
  }
}

extension Loss {
  /// A softmax over one class is always 1.
  fileprivate var isForSingleOutput: Bool {
    !(self is CategoricalCrossentropy) && !(self is SparseCategoricalCrossentropy)
  }
}

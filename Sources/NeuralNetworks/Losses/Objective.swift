import SwitchbackPrograms

/// A loss with what belongs to it: labels, class weights, and the count of right answers.
struct Objective {
  let loss: any Loss
  let targets: Targets
  let classWeights: [Double]

  /// What `callAsFunction` found.
  struct Result {
    /// One loss a sample, `[N]`, weighted.
    var perSample: Value
    /// f32 `[]`: how many samples are classified rightly; `nil` where labels are no classes.
    var correct: Value?
    /// The state that holds the class weights.
    var states: [InitialState] = []
  }

  /// Declares the input `labels` and appends the loss of each sample. Right answers are counted from `answer`, what the
  /// program says to the outside; nil, in training: from what enters the last gate.
  func callAsFunction(
    _ output: Value, answer: Value? = nil, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Result {
    let outer = builder.path
    defer { builder.path = outer }
    builder.path = "loss"
    let predictions = Predictions(output, in: builder)
    guard output.shape.rank >= 2 else {
      throw ProgramError("the model's output must be [N, …], not \(output.shape)", path: builder.path)
    }
    let batch = output.shape[0]
    let labelType: TensorType = targets == .classes ? .int32([batch]) : .float32(output.shape)
    let labels = builder.input("labels", labelType)
    let numbers = targets == .classes ? try numbers(for: labels, like: output, in: &builder) : labels
    var result = Result(perSample: try loss(predictions, numbers, in: &builder))
    guard result.perSample.shape == [batch] else {
      throw ProgramError(
        "\(loss.name) must give one number a sample, [\(batch)], not \(result.perSample.shape)", path: builder.path)
    }
    if !classWeights.isEmpty { try weigh(&result, by: labels, like: output, in: &builder) }
    if targets == .classes {
      builder.path = "metrics"
      result.correct = try correct(predictions, answer, labels, in: &builder)
    }
    return result
  }

  private func classCount(_ output: Value) throws(ProgramError) -> Int {
    guard output.shape.rank == 2 else {
      throw ProgramError(
        "class labels need an output [N, classes], not \(output.shape); put a flatten and a dense layer at the end",
        path: "loss")
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
        "\(loss.name) needs an output for each class, and the model has one; use binaryCrossentropy", path: "loss")
    }
    let cast = try builder.append(Cast(to: .float32), labels)
    return try builder.append(Reshape(shape: output.shape.extents), cast)
  }

  private func weigh(
    _ result: inout Result, by labels: Value, like output: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) {
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
      name: TrainingStep.classWeightsName, type: .float32([classes]),
      initializer: .values(classWeights.map { Float($0) }))
    let table = builder.state(state.name, state.type)
    let weights = try builder.append(Gather(axis: 0), table, labels)
    result.perSample = try builder.append(Binary(.multiply), result.perSample, weights)
    result.states.append(state)
  }

  /// The largest output is the answer; of a single one, whether it is above one half (a logit: above 0).
  private func correct(
    _ predictions: Predictions, _ answer: Value?, _ labels: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let scores = answer ?? predictions.logits
    let found: Value
    if scores.shape[1] > 1 {
      found = try builder.append(ArgMax(axis: 1), scores)
    } else {
      let isLogit = answer == nil && (predictions.gate != .none || loss.fromLogits)
      let threshold = try builder.scalar(isLogit ? 0 : 0.5, .float32)
      let isPositive = try builder.append(Binary(.greater), scores, threshold)
      let cast = try builder.append(Cast(to: .int32), isPositive)
      found = try builder.append(Reshape(shape: labels.shape.extents), cast)
    }
    let isRight = try builder.append(Binary(.equal), found, labels)
    return try builder.append(Reduce(.sum, axes: [0]), builder.append(Cast(to: .float32), isRight))
  }
}

extension Loss {
  /// A softmax over one class is always 1.
  fileprivate var isForSingleOutput: Bool {
    !(self is CategoricalCrossentropy) && !(self is SparseCategoricalCrossentropy)
  }
}

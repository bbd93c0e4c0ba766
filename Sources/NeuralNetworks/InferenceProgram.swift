import SwitchbackPrograms

/// A model without training: what it answers, and how right it is.
public struct InferenceProgram: Sendable {
  /// Input `images`; output `predictions`: after the last activation, and after the gate that a loss of logits implies.
  /// An evaluation has the input `labels` too, and the outputs `lossSum` f32 `[]` (over the batch, without class weights
  /// and regularizers), `correct` f32 `[]` where labels are classes (counted from `predictions`), and `regularization`
  /// f32 `[]` where weights have regularizers.
  public let program: Program
  /// All weights, in the order of the layers. Their values come from a training or a file.
  public let parameters: [Parameter]

  /// The same program on the moving average of the weights: on the states `ema/<parameter>` in place of those of the
  /// parameters that are trained.
  package var onAverages: Program {
    var program = program
    for parameter in parameters where parameter.isTrainable {
      program.values[parameter.value.id].name = parameter.averageName
    }
    return program
  }

  /// A program that predicts. `sampleShape` is without the batch: `[28, 28, 1]`; `loss` is what the model was trained
  /// with.
  public static func build(
    _ model: any Layer, sampleShape: Shape, batchSize: Int, inputName: String = "images", loss: (any Loss)? = nil
  ) throws(ProgramError) -> InferenceProgram {
    try build(model, inputs: [ModelInput(inputName, .float32(sampleShape))], batchSize: batchSize, loss: loss)
  }

  /// The same for a model with any inputs.
  public static func build(
    _ model: any Layer, inputs: [ModelInput], batchSize: Int, loss: (any Loss)? = nil
  ) throws(ProgramError) -> InferenceProgram {
    var traced = try TracedModel(
      model, inputs: inputs, batchSize: batchSize, programName: "predict", isTraining: false)
    let answer = try traced.answer(to: loss)
    traced.builder.output("predictions", answer)
    return InferenceProgram(program: traced.builder.build(), parameters: traced.parameters)
  }
}

extension TrainingStep {
  /// The program that evaluates the model on a labelled batch.
  public func evaluation(batchSize: Int) throws(ProgramError) -> InferenceProgram {
    var traced = try TracedModel(
      model, inputs: inputs, batchSize: batchSize, programName: "evaluate", isTraining: false)
    let objective = Objective(loss: loss, targets: targets, classWeights: [])
    let answer = try traced.answer(to: loss)
    let result = try objective(traced.output, answer: answer, in: &traced.builder)
    traced.builder.path = "loss"
    let sum = try traced.builder.append(Reduce(.sum, axes: [0]), result.perSample)
    let penalty = try traced.penalty()
    traced.builder.output("predictions", answer)
    traced.builder.output("lossSum", sum)
    if let correct = result.correct { traced.builder.output("correct", correct) }
    if let penalty { traced.builder.output("regularization", penalty) }
    return InferenceProgram(program: traced.builder.build(), parameters: traced.parameters)
  }

  /// The program that predicts for a batch without labels.
  public func inference(batchSize: Int) throws(ProgramError) -> InferenceProgram {
    try InferenceProgram.build(model, inputs: inputs, batchSize: batchSize, loss: loss)
  }
}

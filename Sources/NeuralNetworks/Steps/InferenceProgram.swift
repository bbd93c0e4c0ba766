import SwitchbackPrograms

/// A model without training: what it answers, and how right it is.
public struct InferenceProgram: Sendable {
  /// Input: `images`, or the fields that the model reads. Output: `predictions`, after the last activation and after the
  /// gate that a loss of logits implies; where classes are by steps and these are masked, `mask` bool `[N, T]` too.
  ///
  /// An evaluation has the input `labels` too, and the outputs `lossSum` f32 `[]` (over the batch, without class weights and
  /// regularizers), `regularization` f32 `[]` where weights have regularizers, and `mask` where any steps are masked. Of
  /// several objectives each has its outputs behind its name: `digit/predictions`.
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
    try build(
      model, inputs: [ModelInput(inputName, .float32(sampleShape))], batchSize: batchSize,
      objectives: loss.map { [Objective(loss: $0)] } ?? [])
  }

  /// The same for a model with any inputs and results, trained for `objectives`.
  public static func build(
    _ model: any Layer, inputs: [ModelInput], batchSize: Int, objectives: [Objective] = []
  ) throws(ProgramError) -> InferenceProgram {
    try InferenceProgram(
      TracedModel(model, inputs: inputs, batchSize: batchSize, programName: "predict", isTraining: false),
      answering: objectives)
  }
}

extension InferenceProgram {
  /// The program of a model that was traced without training.
  init(_ traced: TracedModel, answering objectives: [Objective]) throws(ProgramError) {
    var traced = traced
    for (calls, prefix, output, answer) in try traced.answers(to: objectives) {
      traced.builder.output(prefix + StepOutput.predictions, answer)
      // Numbers are answered whole, as they were before there were classes by steps.
      guard let calls, calls.objective.isOfSteps(output), let mask = calls.mask(of: output) else { continue }
      traced.builder.output(prefix + StepOutput.mask, mask)
    }
    self.init(program: try TracedModel.finish(traced.builder), parameters: traced.parameters)
  }

  /// Everything that is wrong with the layers of a model, but for what follows from something else. Whoever builds a
  /// program is told the first.
  package static func faults(of model: any Layer, inputs: [ModelInput], batchSize: Int) -> [ProgramError] {
    TracedModel.faults(of: model, inputs: inputs, batchSize: batchSize)
  }
}

extension TrainingStep {
  /// The program that evaluates the model on a labelled batch.
  public func evaluation(batchSize: Int) throws(ProgramError) -> InferenceProgram {
    var traced = try TracedModel(
      model, inputs: inputs, batchSize: batchSize, programName: "evaluate", isTraining: false)
    var outputs: [(name: String, value: Value)] = []
    for (calls, prefix, output, answer) in try traced.answers(to: objectives) {
      guard let calls else { throw ProgramError("an evaluation needs an objective") }
      let result = try calls.evaluating(output, in: &traced.builder)
      traced.builder.path = prefix + "loss"
      outputs.append((prefix + StepOutput.predictions, answer))
      if let mask = result.mask { outputs.append((prefix + StepOutput.mask, mask)) }
      outputs.append(
        (prefix + StepOutput.lossSum, try traced.builder.append(Reduce(.sum, axes: [0]), result.perSample)))
    }
    let penalty = try traced.penalty()
    for (name, value) in outputs { traced.builder.output(name, value) }
    if let penalty { traced.builder.output(StepOutput.regularization, penalty) }
    return InferenceProgram(program: try TracedModel.finish(traced.builder), parameters: traced.parameters)
  }

  /// The program that predicts for a batch without labels.
  public func inference(batchSize: Int) throws(ProgramError) -> InferenceProgram {
    if batchSize == 1, let traced { return try InferenceProgram(traced, answering: objectives) }
    return try InferenceProgram.build(model, inputs: inputs, batchSize: batchSize, objectives: objectives)
  }
}

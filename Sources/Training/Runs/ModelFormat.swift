import SwitchbackDatasets
public import SwitchbackExecution
public import SwitchbackInference
public import SwitchbackNeuralNetworks
import SwitchbackPrograms

extension TrainingStep {
  /// What a model of this step reads of the samples of a data set, and what its answers mean. Fields and targets are found
  /// by their names; a single one of each fits a model with one input or objective, whatever it is called.
  package func format(of data: SampleFormat) throws(TrainedModelError) -> SampleFormat {
    var outputs: [SampleFormat.Output] = []
    for objective in objectives {
      guard var output = data.output(for: objective, isOnly: objectives.count == 1) else {
        throw TrainedModelError(
          "the model is trained for \(objective.target), and the samples have no such field or target; they have "
            + (data.inputs.map(\.name) + data.outputs.map(\.target)).joined(separator: ", "))
      }
      // A single target fits whatever it is called, and is then called so.
      output.target = objective.target
      output.name = objective.output ?? model.resultNames.first ?? output.name
      outputs.append(output)
    }
    var read = inputs.map { data.input(for: $0, isOnly: inputs.count == 1) }
    for (place, input) in inputs.enumerated() {
      guard let mask = input.mask else { continue }
      // So that a sequence of any length says its own.
      if mask.isLengths { read[place].lengths = mask.name }
      guard !read.contains(where: { $0.name == mask.name }) else { continue }
      read.append(data.input(for: ModelInput(mask.name, mask.type), isOnly: false))
    }
    return SampleFormat(inputs: read, outputs: outputs)
  }
}

extension SampleFormat {
  fileprivate func input(for input: ModelInput, isOnly: Bool) -> Input {
    let type = Field.ElementType(input.type.elementType) ?? .float32
    guard var known = inputs.first(where: { $0.name == input.name }) ?? (isOnly && inputs.count == 1 ? inputs[0] : nil)
    else {
      // What a data set keeps beside its fields, such as the lengths of sequences, is read as it is.
      return Input(input.name, type, shape: input.type.shape.extents, scale: input.scale)
    }
    // A model may read the numbers that a data set's bytes stand for.
    if known.scale != nil, type == .float32 { (known.elementType, known.scale) = (type, nil) }
    return known
  }

  fileprivate func output(for objective: Objective, isOnly: Bool) -> Output? {
    if let known = outputs.first(where: { $0.target == objective.target }) { return known }
    // A data set made in a program need not say which of its fields are targets.
    if let field = inputs.first(where: { $0.name == objective.target }) {
      let targets =
        objective.targets == .classes ? field.field.targets : DatasetTargets.values(field.shape.reduce(1, *))
      return Output(target: field.name, targets: targets)
    }
    return isOnly && outputs.count == 1 ? outputs[0] : nil
  }
}

extension TrainedModel {
  /// The network that a step trains, with the weights of a checkpoint: unless said otherwise with their moving average,
  /// where it holds one. Of `samples` the model takes what it reads and is trained for.
  public convenience init(
    _ checkpoint: Checkpoint, of step: TrainingStep, for samples: SampleFormat, weights: ModelWeights? = nil,
    on chain: BackendChain
  ) throws {
    let (tensors, which) = try checkpoint.weights(weights)
    try self.init(
      program: try step.inference(batchSize: 1).program, tensors: Array(tensors.values),
      samples: try step.format(of: samples), weights: which, on: chain)
  }
}

public import SwitchbackDatasets
import SwitchbackInference
public import SwitchbackNeuralNetworks
import SwitchbackPrograms

extension Configuration {
  /// The training step of this experiment on such data. What does not fit it is named with its line.
  public func trainingStep(on layout: DatasetLayout) throws(ConfigurationError) -> TrainingStep {
    var problems: [ConfigurationError.Problem] = []
    var step = TrainingStep(
      model: model, inputs: [], objectives: [], optimizer: training.optimizer, clipping: training.clipping,
      accumulationSteps: training.accumulationSteps, averageMomentum: training.averageMomentum)
    step.scalesNorms = training.scalesNorms
    if let problem = augmentationProblem(on: layout) { problems.append(problem) }
    var shapes: [[Int]] = []
    do throws(ConfigurationError) {
      step.inputs = try modelInputs(in: layout)
      shapes = try outputShapes(of: &step)
    } catch {
      problems += error.problems
    }
    do throws(ConfigurationError) {
      step.objectives = try objectives(on: layout, shapes).map(mixing)
    } catch {
      problems += error.problems
    }
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    _ = try watch(in: step)
    return step
  }

  /// The metrics that each objective asks for; what is counted anyway is added by `Objective.judged`.
  public var metrics: [[any Metric]] { training.objectives.map { $0.metrics ?? [] } }

  /// Why the data has nothing to be augmented; nil where it has, or nothing is to be.
  private func augmentationProblem(on layout: DatasetLayout) -> ConfigurationError.Problem? {
    guard let fault = data.augmentation?.fault(on: layout) else { return nil }
    return .init(data.places["augmentation"], "\(data.places.path).augmentation: \(fault)")
  }

  /// An objective as training judges it: by two classes, where samples are mixed. Numbers are mixed in the data.
  private func mixing(_ objective: Objective) -> Objective {
    guard data.augmentation?.mixup ?? 0 > 0, objective.targets == .classes else { return objective }
    var objective = objective
    objective.mixing = .init(partner: Field.partner(of: objective.target), share: Field.partnerShare)
    return objective
  }

  /// The fields of `model.inputs`, or the only one.
  private func modelInputs(in data: DatasetLayout) throws(ConfigurationError) -> [ModelInput] {
    let (place, known) = (modelPlaces["inputs"], data.inputs.map(\.name))
    guard !model.inputs.isEmpty else {
      let masks: [String] =
        switch self.data.masks {
        case .named(let masks): Array(masks.values)
        case .lengths: data.inputs.compactMap(\.lengths)
        }
      let inputs = data.inputs.filter { !masks.contains($0.name) }
      guard inputs.count == 1 else {
        let words = inputs.isEmpty ? "none" : inputs.map(\.name).joined(separator: ", ")
        throw ConfigurationError(problems: [
          .init(place, "model.inputs is missing: the data has several fields that a model can read (\(words))")
        ])
      }
      return try masked([ModelInput(inputs[0])], in: data)
    }
    var (inputs, problems): ([ModelInput], [ConfigurationError.Problem]) = ([], [])
    for name in model.inputs {
      if let field = data.field(called: name) {
        inputs.append(ModelInput(field))
      } else {
        problems.append(
          .init(place, "model.inputs: the data has no field \(name)\(Suggestion.words(for: name, among: known))"))
      }
    }
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    return try masked(inputs, in: data)
  }

  /// The inputs with the masks that `data.masks` says.
  private func masked(
    _ inputs: [ModelInput], in data: DatasetLayout
  ) throws(ConfigurationError) -> [ModelInput] {
    var (inputs, faults) = (inputs, [String]())
    switch self.data.masks {
    case .lengths:
      for place in inputs.indices {
        inputs[place].mask = data.field(called: inputs[place].name)?.lengths.map { .lengths($0) }
      }
      if inputs.allSatisfy({ $0.mask == nil }), data.targets.allSatisfy({ $0.lengths == nil }) {
        let read = inputs.map(\.name).joined(separator: ", ")
        faults.append("true asks for the lengths that fields have, and none of what the model reads (\(read)) has any")
      }
    case .named(let masks):
      for (name, maskName) in masks.sorted(by: { $0.key < $1.key }) {
        guard let field = data.field(called: maskName) else {
          let known = (data.inputs + data.others).map(\.name)
          faults.append("the data has no field \(maskName)\(Suggestion.words(for: maskName, among: known))")
          continue
        }
        guard let place = inputs.firstIndex(where: { $0.name == name }) else {
          // What is learnt is masked where it is judged.
          if data[name] != nil { continue }
          let known = inputs.map(\.name) + data.targets.map(\.name)
          faults.append("the model reads no field \(name)\(Suggestion.words(for: name, among: known))")
          continue
        }
        let mask = ModelInput.Mask(field)
        if let fault = mask.fault(of: inputs[place].type) { faults.append("\(name): \(fault)") }
        inputs[place].mask = mask
      }
    }
    guard faults.isEmpty else { throw ConfigurationError(problems: faults.map(faultOfMasks)) }
    return inputs
  }

  func faultOfMasks(_ words: String) -> ConfigurationError.Problem {
    .init(data.places["masks"], "\(data.places.path).masks: \(words)")
  }

  /// Which steps of a target are judged: as `data.masks` says or, where it has a class a step, as its own lengths say, since
  /// behind these there is none.
  func mask(of target: DatasetLayout.Target, in data: DatasetLayout) -> ModelInput.Mask? {
    let own = target.lengths.map { ModelInput.Mask.lengths($0) }
    switch self.data.masks {
    case .lengths: return own
    case .named(let masks):
      if let field = masks[target.name].flatMap({ data.field(called: $0) }) { return ModelInput.Mask(field) }
      if case .stepClasses = target.targets { return own }
      return nil
    }
  }

  /// What each of the model's outputs is, without the batch. Layers that do not fit together are an error.
  private func outputShapes(of step: inout TrainingStep) throws(ConfigurationError) -> [[Int]] {
    do throws(ProgramError) {
      return try step.outputShapes()
    } catch {
      // Their words show the shapes of a batch as it is trained on.
      let faults = InferenceProgram.faults(of: model, inputs: step.inputs, batchSize: training.batchSize)
      throw located(faults.isEmpty ? [error] : faults)
    }
  }

  /// This configuration for a run that goes on from a checkpoint: with the program that the run was begun with, where
  /// later ones have another. Without a checkpoint it is the same.
  public func goingOn(from checkpoint: Checkpoint?) -> Configuration {
    var configuration = self
    if let checkpoint, checkpoint.position.hasEarlyRules { configuration.training.scalesNorms = false }
    return configuration
  }

  /// The chosen backend, then what operations fall back to.
  public var backendNames: [String] {
    var names = [backend.name]
    for name in backend.fallback where !names.contains(name) { names.append(name) }
    return names
  }
}

extension ModelInput {
  /// A field of a data set, as a model reads it.
  public init(_ field: Field) {
    self.init(field.name, TensorType(ElementType(field.elementType), Shape(field.shape)), scale: field.scale)
  }
}

extension ModelInput.Mask {
  /// A field that says which steps of another one are valid.
  fileprivate init(_ field: Field) { self.init(field.name, ModelInput(field).type) }
}

extension DatasetLayout {
  /// Any field: an input, weights of samples or lengths.
  func field(called name: String) -> Field? { (inputs + others).first { $0.name == name } }
}

import SwitchbackDatasets
public import SwitchbackNeuralNetworks
import SwitchbackPrograms

extension Configuration {
  /// What is written of an objective, before anybody looked at the data.
  public struct ObjectiveSettings: Sendable {
    /// Nil: the model's only one.
    public var output: String?
    /// Nil: the field called like the output, or the only target that the data has.
    public var target: String?
    public var loss: any Loss
    public var weight: Double
    public var classWeights: [Double]
    /// Nil: the field `sample_weight`, where the data has one.
    public var sampleWeight: String?
    /// Nil: what is counted anyway.
    public var metrics: [any Metric]?
    /// Whether it stands in `training.objectives`.
    var isListed: Bool
    var places: Places

    init(
      output: String? = nil, target: String? = nil, loss: any Loss, weight: Double, classWeights: [Double],
      sampleWeight: String? = nil, metrics: [any Metric]?, isListed: Bool = false, places: Places
    ) {
      (self.output, self.target, self.loss, self.weight) = (output, target, loss, weight)
      (self.classWeights, self.sampleWeight, self.metrics) = (classWeights, sampleWeight, metrics)
      (self.isListed, self.places) = (isListed, places)
    }
  }

  /// What is judged of the model on such data: an error names every line that does not fit it. `shapes` are those of the
  /// model's outputs, without the batch; empty where they are not known.
  func objectives(
    on data: DatasetLayout, _ shapes: [[Int]]
  ) throws(ConfigurationError) -> [SwitchbackNeuralNetworks.Objective] {
    var problems: [ConfigurationError.Problem] = []
    let objectives = training.objectives.compactMap { settings -> Objective? in
      do throws(ConfigurationError) {
        let target = try settings.target(in: data)
        let objective = Objective(
          output: settings.output, target: target.name, loss: settings.loss,
          targets: target.targets.areClasses ? .classes : .values, weight: settings.weight,
          classWeights: settings.classWeights, sampleWeight: try settings.sampleWeight(in: data),
          mask: mask(of: target, in: data))
        let place = settings.output.flatMap { model.outputs.firstIndex(of: $0) } ?? 0
        let layer = model.outputs.indices.contains(place) ? layerPlaces[model.outputs[place]] : layerPlaces.last
        let shape = shapes.indices.contains(place) ? shapes[place] : nil
        problems += settings.problems(with: target, shape: shape, of: layer)
        if let shape, let fault = objective.mask?.fault(of: objective.targetType(of: shape)) {
          problems.append(faultOfMasks("\(target.name): \(fault)"))
        }
        return objective
      } catch {
        problems += error.problems
        return nil
      }
    }
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    return objectives
  }
}

extension Objective {
  /// What its target is of a result, both without the batch.
  fileprivate func targetType(of shape: [Int]) -> TensorType {
    targets == .values ? .float32(Shape(shape)) : .int32(Shape(Array(shape.dropLast())))
  }
}

extension Configuration.ObjectiveSettings {
  private func fault(_ key: String, _ message: String) -> ConfigurationError.Problem {
    .init(places[key], "\(places.path).\(key): \(message)")
  }

  /// The field that says what is right.
  fileprivate func target(in data: DatasetLayout) throws(ConfigurationError) -> DatasetLayout.Target {
    let known = data.targets.map(\.name)
    if let target {
      if let found = data.target(called: target) { return found }
      throw ConfigurationError(problems: [
        fault("target", "the data has no field \(target)\(Suggestion.words(for: target, among: known))")
      ])
    }
    if let found = output.flatMap({ data[$0] }) ?? (known.count == 1 ? data.targets[0] : nil) { return found }
    let words = known.isEmpty ? "nothing to learn" : "the targets \(known.joined(separator: ", "))"
    throw ConfigurationError(problems: [
      isListed
        ? fault("target", "the data has \(words): say which one")
        : .init(places["loss"], "the data has \(words): training.objectives says which output learns which")
    ])
  }

  /// The field of the samples' weights.
  fileprivate func sampleWeight(in data: DatasetLayout) throws(ConfigurationError) -> String? {
    let name = sampleWeight ?? Field.sampleWeight
    guard let field = data.field(called: name) else {
      guard let sampleWeight else { return nil }
      let known = (data.inputs + data.others).map(\.name)
      throw ConfigurationError(problems: [
        fault(
          "sample_weight", "the data has no field \(sampleWeight)\(Suggestion.words(for: sampleWeight, among: known))")
      ])
    }
    guard field.shape.isEmpty, field.elementType == .float32 else {
      throw ConfigurationError(problems: [
        fault("sample_weight", "a weight is one f32 a sample, and the data has \(field)")
      ])
    }
    return name
  }

  private var answer: String { output.map { "the output \($0)" } ?? "the output" }

  /// What is written of it that does not fit a target; `shape` is that of the output, where it is known, and `layer` makes
  /// the output.
  fileprivate func problems(
    with target: DatasetLayout.Target, shape: [Int]?, of layer: LayerPlaces.Entry?
  ) -> [ConfigurationError.Problem] {
    var problems: [ConfigurationError.Problem] = []
    let isOfClasses = target.targets.areClasses
    let kind: Targets = isOfClasses ? .classes : .values
    for metric in metrics ?? [] where metric.targets != kind {
      problems.append(
        fault("metrics", "\(metric.name) judges \(isOfClasses ? "numbers" : "classes"), and \(target.words)"))
    }
    if !isOfClasses, !classWeights.isEmpty {
      problems.append(fault("class_weights", "there are no classes to weigh: \(target.words)"))
    }
    if target.targets == .values(1), loss is CategoricalCrossentropy {
      problems.append(
        fault("loss", "categorical_crossentropy compares classes, and \(target.words); use mean_squared_error"))
    }
    guard let shape else { return problems }
    let numbers = shape.reduce(1, *)
    switch target.targets {
    case .values(let count) where count != numbers:
      problems.append(misfit("\(target.words), and \(answer) has \(numbers) (\(shape) a sample)", layer))
    case .classes where shape.count != 1:
      problems.append(
        misfit("\(target.words), and \(answer) is \(shape) a sample: end it with a number a class", layer))
    case .stepClasses(let steps) where shape.count != 2 || shape[0] != steps:
      problems.append(
        misfit(
          "\(target.words), and \(answer) is \(shape) a sample: end it with \(steps) steps and a number a class", layer)
      )
    case .classes, .stepClasses:
      // Of a sample, or of a step. A single output tells two classes apart.
      let units = shape.last ?? 1
      if target.classNames.count > max(units, 2) { problems.append(tooManyClasses(target, units: units, layer)) }
      if !classWeights.isEmpty, let words = classWeightsFault(max(units, 2)) {
        problems.append(fault("class_weights", words))
      }
    case .values: break
    }
    return problems
  }

  /// The output does not fit the target: said of the objective where it is one of a list, else of the layer that answers.
  private func misfit(_ words: String, _ layer: LayerPlaces.Entry?) -> ConfigurationError.Problem {
    guard !isListed, let layer else { return fault(isListed ? "target" : "loss", words) }
    return .init(layer.place, "\(layer.path): \(words)\(layer.uses)")
  }

  private func tooManyClasses(
    _ target: DatasetLayout.Target, units: Int, _ layer: LayerPlaces.Entry?
  ) -> ConfigurationError.Problem {
    let (count, hint) = (target.classNames.count, DatasetParts.suspicions(about: target.classNames))
    let advice = "set the units of its last layer to \(count)\(hint)"
    return misfit(
      isListed
        ? "\(target.words), and \(answer) has \(units) units: \(advice)"
        : "the data has \(count) classes, and the network ends with \(units) outputs: \(advice)", layer)
  }

  private func classWeightsFault(_ classes: Int) -> String? {
    if classWeights.count != classes {
      return "there are \(classes) classes, as the output has units, so they are \(classes) numbers and not "
        + "\(classWeights.count)"
    }
    return classWeights.contains { $0 > 0 } ? nil : "all of them are 0: nothing would be learned"
  }
}

extension DatasetLayout {
  /// What is to be learnt from the field of a name: one that the data says is a target, or any other that could be.
  fileprivate func target(called name: String) -> Target? {
    if let target = self[name] { return target }
    guard let field = inputs.first(where: { $0.name == name }) else { return nil }
    switch field.elementType {
    case .int32:
      if case .stepClasses = field.targets { return Target(name, field.targets, lengths: field.lengths) }
      return field.shape.isEmpty ? Target(name, .classes) : nil
    case .float32: return Target(name, .values(field.elementCount))
    case .uint8: return field.scale == nil ? nil : Target(name, .values(field.elementCount))
    }
  }
}

extension DatasetLayout.Target {
  fileprivate var words: String {
    switch targets {
    case .classes: classNames.isEmpty ? "\(name) are classes" : "\(name) are \(classNames.count) classes"
    case .stepClasses(let steps):
      (classNames.isEmpty ? "\(name) are classes" : "\(name) are \(classNames.count) classes") + " of \(steps) steps"
    case .values(let count): count == 1 ? "\(name) is 1 number a sample" : "\(name) are \(count) numbers a sample"
    }
  }
}

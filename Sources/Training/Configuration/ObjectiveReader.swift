import SwitchbackNeuralNetworks
import SwitchbackPrograms
import Yams

/// `training.objectives`, or its short form for one output: `training.loss`, `class_weights` and `metrics`.
enum ObjectiveReader {
  /// What an objective is unless said.
  private static let usual = Objective(loss: CategoricalCrossentropy())

  static func objectives(_ section: SectionReader) -> [Configuration.ObjectiveSettings] {
    list(section) ?? [
      Configuration.ObjectiveSettings(
        loss: loss(section), weight: usual.weight, classWeights: classWeights(section),
        metrics: MetricReader.metrics(section), places: Places(section, path: section.path))
    ]
  }

  /// Nil where there is no list.
  private static func list(_ section: SectionReader) -> [Configuration.ObjectiveSettings]? {
    let (key, problems) = ("objectives", section.problems)
    if problems.isDescribing {
      let keys = SectionReader.describing(path: section.full(key), problems, objective).schema
      var part = SchemaPart.list(of: .object(keys))
      part.nested = keys
      section.describe(key, help: "What each output is to learn, instead of loss, metrics and class_weights", part)
    }
    guard let node = section.take(key) else { return nil }
    guard let list = node.sequence, !list.isEmpty else {
      problems.add(
        "\(section.full(key)) must be a list, such as - {output: digit, loss: categorical_crossentropy}", at: node)
      return nil
    }
    for short in ["loss", "class_weights", "metrics"] {
      guard let given = section.take(short) else { continue }
      problems.add(
        "\(section.full(short)) and \(section.full(key)) exclude each other: say it of an objective", at: given)
    }
    var resolved: [Node] = []
    let objectives = list.enumerated().map { index, node in
      let reader = SectionReader(node, path: "\(section.full(key)).\(index)", problems)
      let objective = objective(reader)
      reader.finish()
      resolved.append(Node(reader.resolved))
      return objective
    }
    section.record(key, Node(resolved))
    return objectives
  }

  private static func objective(_ section: SectionReader) -> Configuration.ObjectiveSettings {
    Configuration.ObjectiveSettings(
      output: section.optionalText("output", help: "The output of the model that is judged"),
      target: section.optionalText("target", help: "The data's field that says what is right"), loss: loss(section),
      weight: section.number("weight", usual.weight, in: .factor, help: "Its part in the sum of losses"),
      classWeights: classWeights(section),
      sampleWeight: section.optionalText(
        "sample_weight", help: "The data's field with a factor for the loss of each sample"),
      metrics: MetricReader.metrics(section), isListed: true,
      places: Places(section, path: section.path))
  }

  private static func loss(_ section: SectionReader) -> any Loss {
    section.section("loss", shorthand: "type", help: "How far a prediction is from its target") { LossReader.loss($0) }
  }

  private static func classWeights(_ section: SectionReader) -> [Double] {
    section.numbers(
      "class_weights", in: .factor, help: "A factor a class for the loss of its samples, in the order of classes")
  }

  /// Whether every objective has an output of its own, and every output an objective: what needs no data.
  static func check(
    _ objectives: [Configuration.ObjectiveSettings], of model: Graph, _ places: Places, _ problems: ProblemList
  ) {
    let outputs = model.outputs
    guard let first = objectives.first, first.isListed else {
      if outputs.count > 1 {
        problems.add(
          "model.outputs are \(outputs.joined(separator: ", ")): training.objectives says what each is to learn",
          places["outputs"])
      }
      return
    }
    if objectives.allSatisfy({ $0.weight == 0 }) {
      problems.add("training.objectives: all have weight 0, so nothing would be learned", first.places["weight"])
    }
    var judged: Set<String> = []
    for objective in objectives {
      guard let name = objective.output ?? (objectives.count == 1 && outputs.count < 2 ? outputs.first ?? "" : nil)
      else {
        problems.add(
          "\(objective.places.path).output is missing: \(known(outputs))", objective.places["output"])
        continue
      }
      if !name.isEmpty, !outputs.contains(name) {
        let meant = Suggestion.nearest(to: name, among: outputs)
        // That nobody judges the output that was meant follows from the wrong word.
        if let meant { judged.insert(meant) }
        problems.add(
          "\(objective.places.path).output: the model has no output \(name)\(NearestWord.hint(meant)); \(known(outputs))",
          objective.places["output"])
      }
      // Columns of a table of epochs are called so.
      if name.hasPrefix("validation_") {
        problems.add(
          "\(objective.places.path).output: \(name) reads as a number of the validation; give the layer another name",
          objective.places["output"])
      }
      if !judged.insert(name).inserted {
        problems.add("\(objective.places.path).output: two objectives judge \(name)", objective.places["output"])
      }
    }
    for output in outputs where !judged.contains(output) {
      problems.add("model.outputs: no objective judges \(output)", places["outputs"])
    }
  }

  private static func known(_ outputs: [String]) -> String {
    outputs.isEmpty
      ? "model.outputs is empty, and the last layer has no name"
      : "model.outputs are \(outputs.joined(separator: ", "))"
  }
}

import Foundation
import SwitchbackDatasets
import SwitchbackNeuralNetworks
import SwitchbackPrograms
import SwitchbackReference
import SwitchbackTraining
import TestFiles
import Testing

private let text = """
  version: 1
  model:
    inputs: [images, table]
    layers:
      - conv2d: {filters: 4, kernel_size: 3, name: stem, inputs: images}
      - global_average_pooling2d: {name: seen}
      - dense: {units: 3, name: side, inputs: table}
      - concatenate: {inputs: [seen, side]}
      - dense: {units: 10, activation: softmax, name: digit}
      - dense: {units: 1, name: ink, inputs: seen}
    outputs: [digit, ink]
  data: {dataset: mnist}
  training:
    batch_size: 8
    objectives:
      - {output: digit, loss: categorical_crossentropy, metrics: [accuracy, {top_k_categorical_accuracy: {k: 3}}]}
      - {output: ink, target: ink, loss: mean_squared_error, weight: 0.1, metrics: [mean_absolute_error]}
  backend: reference
  """

private let data = DatasetLayout(
  inputs: [Field("images", .float32, [6, 6, 1]), Field("table", .float32, [2])],
  targets: [.init("digit", .classes, classNames: (0...9).map { "\($0)" }), .init("ink", .values(1))])

/// The line of the text in which something stands, from 1.
private func line(of part: String, in text: String) -> Int {
  (text.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains(part) } ?? -2) + 1
}

@Suite("Inputs, outputs and objectives of a configuration")
struct ObjectiveConfigurationTests {
  @Test("fields, outputs and objectives become the training step, and the resolved text reads back to itself")
  func step() throws {
    let configuration = try Configuration(text: text, file: "test.yaml")
    let step = try configuration.trainingStep(on: data)
    #expect(step.inputs == [ModelInput("images", .float32([6, 6, 1])), ModelInput("table", .float32([2]))])
    #expect(step.objectives.map(\.output) == ["digit", "ink"] && step.objectives.map(\.target) == ["digit", "ink"])
    #expect(step.objectives.map(\.targets) == [.classes, .values] && step.objectives.map(\.weight) == [1, 0.1])
    #expect(step.objectives[1].loss.name == "meanSquaredError")
    #expect(step.objectives.map(step.prefix) == ["digit/", "ink/"])
    let names = configuration.metrics.map { $0.map(\.name) }
    #expect(names == [["accuracy", "top_k_categorical_accuracy"], ["mean_absolute_error"]])
    let program = try step.build(batchSize: 8).program
    #expect(program.values(.input).map { program.values[$0].name } == ["images", "table", "digit", "ink"])
    let again = try Configuration(text: configuration.resolvedText, file: "test.yaml")
    #expect(again.resolvedText == configuration.resolvedText)
    #expect((again.metrics[0][1] as? TopKCategoricalAccuracy)?.k == 3)
    #expect(!configuration.resolvedText.contains("\n  loss:"))
    #expect(try again.trainingStep(on: data).build(batchSize: 8).program.description == program.description)
  }

  @Test("without objectives nothing of them stands in the resolved text, and the only field and target are taken")
  func short() throws {
    for file in try FileManager.default.contentsOfDirectory(atPath: root + "/configs") where file.hasPrefix("mnist") {
      let configuration = try Configuration(file: root + "/configs/" + file)
      for key in ["objectives", "inputs", "outputs", "metrics", "watch"] {
        #expect(!configuration.resolvedText.contains("\(key):"), "\(file)")
      }
      let layout = DatasetLayout(
        inputs: [Field("pixels", .float32, [28, 28, 1])], targets: [.init("label", .classes)])
      let step = try configuration.trainingStep(on: layout)
      #expect(step.inputs.map(\.name) == ["pixels"] && step.objectives.map(\.target) == ["label"])
      #expect(step.prefix(of: step.objectives[0]) == "")
    }
  }

  @Test("one objective alone needs no output, and its target is the only one")
  func alone() throws {
    let one = try Configuration(
      text: text, file: "test.yaml",
      overrides: [
        "model.layers=[dense: {units: 1, name: ink}]", "model.outputs=~", "model.inputs=table",
        "training.objectives=[{loss: huber, metrics: [r2_score]}]",
      ])
    let layout = DatasetLayout(inputs: data.inputs, targets: [data.targets[1]])
    let step = try one.trainingStep(on: layout)
    #expect(step.inputs.map(\.name) == ["table"] && step.objectives.map(\.target) == ["ink"])
    #expect(step.prefix(of: step.objectives[0]) == "" && one.model.outputs == ["ink"])
  }

  @Test("weights of samples are a field that is named, or sample_weight; indices are read as they are stored")
  func fields() throws {
    let weighted = DatasetLayout(
      inputs: [Field("images", .float32, [6, 6, 1]), Field("table", .float32, [2]), Field("trust", .float32)],
      targets: data.targets, others: [Field(Field.sampleWeight, .float32)])
    let named = text.replacing("output: digit,", with: "output: digit, sample_weight: trust,")
    let step = try Configuration(text: named, file: "test.yaml").trainingStep(on: weighted)
    #expect(step.objectives.map(\.sampleWeight) == ["trust", Field.sampleWeight])
    let tokens = try Configuration(
      text: text, file: "test.yaml",
      overrides: [
        "model.inputs=[tokens]", "model.layers=[embedding: {input_dim: 9, output_dim: 4}, flatten, dense: {units: 1}]",
        "model.outputs=~", "training.objectives=[{target: ink, loss: mean_squared_error}]",
      ])
    let layout = DatasetLayout(inputs: [Field("tokens", .int32, [5])], targets: data.targets)
    #expect(try tokens.trainingStep(on: layout).inputs == [ModelInput("tokens", TensorType(.int32, [5]))])
  }

  @Test("weights of samples train to the same bits under whatever name they are asked for, and not unless asked for")
  func weightsByName() throws {
    /// Of some steps and an evaluation, on data that has the weights in this field, with this objective.
    func losses(_ field: String?, _ objective: String) throws -> [Double] {
      let text = """
        version: 1
        model:
          inputs: [x]
          layers: [dense: {units: 2, activation: softmax}]
        data: {dataset: mnist}
        training:
          batch_size: 8
          objectives: [{\(objective)}]
          optimizer: {type: sgd, learning_rate: 0.5}
        """
      var columns: [ArrayDataset.Column] = [
        .float32("x", (0..<24).map { Float($0 % 7) / 3 - 1 }, shape: [3]), .int32("labels", [0, 1, 1, 0, 0, 1, 0, 1]),
      ]
      if let field { columns.append(.float32(field, [0, 1, 2, 0.5, 1, 3, 0, 1])) }
      let data = try ArrayDataset(columns)
      let step = try Configuration(text: text, file: "test.yaml").trainingStep(on: data.layout)
      let session = try TrainingSession(step: step, batchSize: 8, seed: 1, on: try chain(ReferenceBackend()))
      let batch = Array(0..<Int32(8))
      let losses = try (0..<4).map { _ in try session.train(data, batch[...]).loss }
      return losses + [try session.evaluate(data).loss]
    }
    let loss = "loss: categorical_crossentropy"
    let weighted = try losses("sample_weight", loss)
    #expect(try losses("trust", loss + ", sample_weight: trust") == weighted)
    let plain = try losses(nil, loss)
    #expect(try losses("trust", loss) == plain && plain[0] != weighted[0] && plain[4] != weighted[4])
    #expect(throws: ConfigurationError.self) { try losses("trust", loss + ", sample_weight: trusted") }
  }

  private static let lengths = DatasetLayout(
    inputs: data.inputs + [Field("trust", .float32, [3])], targets: data.targets)

  @Test(
    "what does not fit the data is named with its line",
    arguments: [
      ("target: ink", "target: colour", "training.objectives.1.target: the data has no field colour"),
      ("target: ink", "target: table", "table are 2 numbers a sample, and the output ink has 1"),
      (
        "target: ink, loss", "target: digit, loss",
        "training.objectives.1.metrics: mean_absolute_error judges numbers, and digit are 10 classes"
      ),
      ("{output: digit,", "{output: digit, target: ink,", "accuracy judges classes, and ink is 1 number a sample"),
      (
        "loss: mean_squared_error, weight", "loss: categorical_crossentropy, weight",
        "training.objectives.1.loss: categorical_crossentropy compares classes, and ink is 1 number a sample"
      ),
      ("mean_absolute_error", "f1_score", "training.objectives.1.metrics: f1_score judges classes"),
      ("units: 10", "units: 4", "digit are 10 classes, and the output digit has 4 units"),
      ("weight: 0.1", "class_weights: [1, 2]", "training.objectives.1.class_weights: there are no classes to weigh"),
      ("weight: 0.1", "sample_weight: trust", "a weight is one f32 a sample, and the data has trust f32 [3]"),
      ("weight: 0.1", "sample_weight: nobody", "training.objectives.1.sample_weight: the data has no field nobody"),
      ("weight: 0.1", "sample_weight: trusst", "the data has no field trusst; did you mean trust?"),
      (
        "inputs: [images, table]", "inputs: [images, tabel]",
        "model.inputs: the data has no field tabel; did you mean table?"
      ),
      ("  inputs: [images, table]\n", "", "the data has several fields that a model can read (images, table, trust)"),
    ])
  func unfit(old: String, new: String, words: String) {
    #expect(text.contains(old))
    let wrong = text.replacing(old, with: new)
    let found = problems(in: wrong, on: Self.lengths)
    let place = old.hasPrefix("units") ? "output: digit" : new.isEmpty ? "layers:" : new
    let expected = "test.yaml:\(line(of: place, in: wrong)):"
    #expect(found.contains { $0.contains(words) && $0.hasPrefix(expected) }, "\(found), expected \(expected)")
  }

  @Test(
    "what no data is needed for is said when the file is read, with its line",
    arguments: [
      ("output: ink", "output: colour", "the model has no output colour; model.outputs are digit, ink"),
      ("output: ink", "output: digit", "two objectives judge digit"),
      ("{output: ink, ", "{", "training.objectives.1.output is missing: model.outputs are digit, ink"),
      ("weight: 0.1", "weight: -1", "training.objectives.1.weight must be a number"),
      ("weight: 0.1", "wieght: 0.1", "training.objectives.1.wieght is not a key here"),
      ("outputs: [digit, ink]", "outputs: [digit, inc]", "no layer of the list is called inc; did you mean ink?"),
      ("outputs: [digit, ink]", "outputs: [digit, digit]", "model.outputs: digit is given twice"),
      ("[mean_absolute_error]", "[mean_absolute_eror]", "there is no metric mean_absolute_eror; did you mean"),
      ("[mean_absolute_error]", "[r2_score, r2_score]", "training.objectives.1.metrics: r2_score is given twice"),
      ("{k: 3}", "{k: 0}", "top_k_categorical_accuracy.k must be"),
      ("batch_size: 8", "loss: huber", "training.loss and training.objectives exclude each other"),
      ("batch_size: 8", "metrics: [accuracy]", "training.metrics and training.objectives exclude each other"),
      ("batch_size: 8", "class_weights: [1]", "training.class_weights and training.objectives exclude each other"),
    ])
  func unreadable(old: String, new: String, words: String) {
    #expect(text.contains(old))
    let wrong = text.replacing(old, with: new)
    let found = problems(in: wrong)
    let place = old == "{output: ink, " || new == "output: digit" ? "target: ink" : new
    let expected = "test.yaml:\(line(of: place, in: wrong)):"
    #expect(found.contains { $0.contains(words) && $0.hasPrefix(expected) }, "\(found), expected \(expected)")
  }

  @Test("an output that is misspelt is one mistake: that nobody judges the one that was meant is not said")
  func misspeltOutput() {
    for (old, new, words) in [
      ("output: ink", "output: imk", "the model has no output imk; did you mean ink?"),
      ("- dense: {units: 1, name: ink", "- dens: {units: 1, name: ink", "there is no layer dens; did you mean dense?"),
    ] {
      let found = problems(in: text.replacing(old, with: new))
      #expect(found.count == 1 && found[0].contains(words), "\(found)")
    }
  }

  @Test("several outputs without objectives, and an output without one, are errors")
  func unjudged() throws {
    let lines = text.split(separator: "\n").filter { !$0.contains("output: ") && !$0.contains("objectives:") }
    let found = problems(in: lines.joined(separator: "\n"))
    #expect(found.contains { $0.contains("training.objectives says what each is to learn") }, "\(found)")
    let one = problems(in: text, ["training.objectives=[{output: digit}]"])
    #expect(one.contains { $0.contains("model.outputs: no objective judges ink") }, "\(one)")
    let several = DatasetLayout(inputs: [data.inputs[0]], targets: data.targets)
    let configuration = try Configuration(file: root + "/configs/mnist-cnn.yaml")
    #expect {
      try configuration.trainingStep(on: several)
    } throws: {
      "\($0)".contains("the data has the targets digit, ink: training.objectives says which output learns which")
    }
  }
}

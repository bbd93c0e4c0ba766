import Foundation
import SwitchbackDatasets
import SwitchbackNeuralNetworks
import SwitchbackTraining
import Testing

/// Two inputs and two outputs, six steps an epoch.
private let text = """
  version: 1
  model:
    inputs: [images, table]
    layers:
      - conv2d: {filters: 4, kernel_size: 3, activation: relu, inputs: images}
      - global_average_pooling2d: {name: seen}
      - dense: {units: 3, activation: tanh, name: side, inputs: table}
      - concatenate: {inputs: [seen, side], name: both}
      - dense: {units: 2, activation: softmax, name: digit}
      - dense: {units: 1, name: ink, inputs: both}
    outputs: [digit, ink]
  data: {dataset: mnist}
  training:
    epochs: 3
    batch_size: 8
    optimizer: {type: adam, learning_rate: 0.01}
    objectives:
      - {output: digit, loss: categorical_crossentropy, metrics: [f1_score]}
      - {output: ink, loss: mean_squared_error, weight: 0.1, metrics: [mean_absolute_error]}
  backend: {name: reference}
  """

/// Samples whose targets are the fields `digit` and `ink`.
private struct Samples: Dataset {
  let base: ArrayDataset
  var count: Int { base.count }
  var fields: [Field] { base.fields }
  var classNames: [String] { [] }
  var isInMemory: Bool { true }
  var targetFields: [DatasetLayout.Target] {
    [.init("digit", .classes, classNames: ["even", "odd"]), .init("ink", .values(1))]
  }

  init(_ count: Int, first: Int = 0) throws {
    let classes = (first..<first + count).map { Int32($0 % 2) }
    base = try ArrayDataset([
      .float32(
        "images", (0..<count * 36).map { Float(($0 + first) % 7) / 7 + Float(classes[$0 / 36]) / 2 }, shape: [6, 6, 1]),
      .float32("table", (0..<count * 2).map { Float(($0 * 5 + first) % 9) / 9 }, shape: [2]),
      .int32("digit", classes), .float32("ink", (0..<count).map { Float(($0 + first) % 5) - 2 }, shape: [1]),
    ])
  }

  func read(_ index: Int, row: Int, into batch: BatchMemory) { base.read(index, row: row, into: batch) }
}

private func parts() throws -> DatasetParts {
  DatasetParts(train: try Samples(48), test: try Samples(20, first: 3))
}

/// What a run said.
private final class Record: TrainingCallback {
  var steps: [StepReport] = []
  var epochs: [EpochReport] = []
  var checkpoints: [Checkpoint] = []
  var messages: [String] = []
  var evaluation: EvaluationRecord?
  var summary: RunSummary?

  func handle(_ event: TrainingEvent, in loop: TrainingLoop) -> TrainingDecision {
    switch event {
    case .step(let report): steps.append(report)
    case .epoch(let report): epochs.append(report)
    case .checkpoint(let checkpoint): checkpoints.append(checkpoint)
    case .message(let message): messages.append(message)
    case .tested(let record): evaluation = record
    case .finished(let report): summary = report
    default: break
    }
    return .proceed
  }
}

private func run(_ overrides: [String] = [], from start: Checkpoint? = nil) throws -> (
  loop: TrainingLoop, record: Record
) {
  let (loop, record) = (try makeLoop(text, overrides, data: parts()), Record())
  _ = try loop.run(from: start, callbacks: [record])
  return (loop, record)
}

private func states(_ loop: TrainingLoop) throws -> [String: [UInt8]] {
  var states: [String: [UInt8]] = [:]
  for name in loop.session.states.states.keys {
    states[name] = try loop.session.states.withBytes(of: name) { Array($0) }
  }
  return states
}

private func json(_ value: some Encodable) throws -> [String: Any] {
  let encoder = JSONEncoder()
  encoder.nonConformingFloatEncodingStrategy = .convertToString(
    positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
  return try #require(try JSONSerialization.jsonObject(with: encoder.encode(value)) as? [String: Any])
}

@Suite("Runs with several outputs, and what they go by")
struct SeveralOutputsTests {
  @Test("steps, epochs, validations and the test tell each output's numbers by columns, and the loss is their sum")
  func columns() throws {
    let (loop, record) = try run()
    #expect(loop.session.columns.training == ["digit/loss", "digit/accuracy", "ink/loss"])
    let columns = ["digit/loss", "digit/accuracy", "digit/f1_score", "ink/loss", "ink/mean_absolute_error"]
    #expect(loop.session.columns.validation == columns)
    #expect(record.steps.count == 18 && record.epochs.count == 3)
    for step in record.steps {
      let metrics = try #require(step.metrics)
      #expect(metrics.keys.sorted() == ["digit/accuracy", "digit/loss", "ink/loss"] && step.accuracy == nil)
      let sum = try #require(metrics["digit/loss"]) + 0.1 * (try #require(metrics["ink/loss"]))
      #expect(abs(step.loss - sum) < 1e-5)
    }
    for (index, epoch) in record.epochs.enumerated() {
      let steps = record.steps[6 * index..<6 * index + 6]
      for column in ["digit/loss", "digit/accuracy", "ink/loss"] {
        let mean = steps.compactMap { $0.metrics?[column] }.reduce(0, +) / 6
        #expect(abs(try #require(epoch.metrics?[column]) - mean) < 1e-9, "\(column)")
      }
      let held = try #require(epoch.validationMetrics)
      #expect(held.keys.sorted() == columns.sorted() && epoch.validationAccuracy == nil && epoch.accuracy == nil)
      let sum = try #require(held["digit/loss"]) + 0.1 * (try #require(held["ink/loss"]))
      #expect(abs(try #require(epoch.validationLoss) - sum) < 1e-9)
    }
    let summary = try #require(record.summary)
    #expect(summary.testMetrics?.keys.sorted() == columns.sorted() && summary.testAccuracy == nil)
    let outputs = try #require(record.evaluation?.outputs)
    #expect(outputs.map(\.name) == ["digit", "ink"] && outputs.map(\.classNames) == [["even", "odd"], []])
    #expect(outputs[0].classes?.sampleCount == 20 && outputs[1].classes == nil)
    #expect(outputs[0].metricsByClass?["f1_score"]?.count == 2)
    let decoder = JSONDecoder()
    #expect(
      try decoder.decode(EvaluationRecord.self, from: JSONEncoder().encode(record.evaluation)) == record.evaluation)
  }

  @Test("one output keeps today's keys; metrics that are asked for come beside them")
  func one() throws {
    func report(_ overrides: [String]) throws -> (step: [String], epoch: [String], test: [String]) {
      let record = Record()
      _ = try makeLoop(smallRun, ["training.epochs=1"] + overrides).run(callbacks: [record])
      return (
        try json(record.steps[0]).keys.sorted(), try json(record.epochs[0]).keys.sorted(),
        try json(record.evaluation).keys.sorted()
      )
    }
    let (step, epoch, test) = try report([])
    #expect(
      step == [
        "accuracy", "epoch", "learningRate", "loss", "samplesPerSecond", "step", "stepInEpoch", "stepsInEpoch",
        "stepsLeft",
      ])
    #expect(
      epoch == [
        "accuracy", "epoch", "epochs", "loss", "samplesPerSecond", "seconds", "step", "validationAccuracy",
        "validationLoss",
      ])
    #expect(test == ["accuracy", "classNames", "classes", "loss"])
    let asked = try report(["training.metrics=[recall, accuracy]"])
    #expect(asked.step == step && asked.epoch == (epoch + ["validationMetrics"]).sorted())
    #expect(asked.test == (test + ["metrics", "metricsByClass"]).sorted())
  }

  @Test("a run that goes on within an epoch ends with the bits and the columns that it would have had")
  func goesOn() throws {
    let whole = try run()
    let start = try interrupted(try makeLoop(text, data: parts()), after: 10)
    #expect(start.position.outputs?.keys.sorted() == ["digit/", "ink/"])
    let rest = try run([], from: start)
    #expect(try states(rest.loop) == states(whole.loop))
    #expect(rest.record.epochs.map(\.metrics) == whole.record.epochs.suffix(2).map(\.metrics))
    #expect(rest.record.epochs.map(\.validationMetrics) == whole.record.epochs.suffix(2).map(\.validationMetrics))
  }

  @Test("the best checkpoint is that of the watched column's best validation, upwards or downwards")
  func watch() throws {
    for (column, isMaximized) in [("digit/f1_score", true), ("ink/mean_absolute_error", false), ("digit/loss", false)] {
      let (_, record) = try run(["training.epochs=5", "training.watch=\(column)"])
      let numbers = record.epochs.compactMap { $0.validationMetrics?[column] }
      #expect(numbers.count == 5)
      let best = try #require(isMaximized ? numbers.max() : numbers.min())
      let position = try #require(record.checkpoints.last?.position)
      #expect(position.watched?.column == column && position.watched?.number == best)
      // The lowest loss is kept beside it.
      #expect(position.bestLoss == record.epochs.compactMap(\.validationLoss).min())
      let bests = record.checkpoints.filter(\.position.isBest).map(\.position.epoch)
      let gains = numbers.indices.filter { index in
        numbers[..<index].allSatisfy { isMaximized ? numbers[index] > $0 : numbers[index] < $0 }
      }
      #expect(Set(bests) == Set(gains.map { $0 + 2 }), "\(column)")
    }
  }

  @Test("early stopping, the best weights and the plateau go by the watched column")
  func decisions() throws {
    // 20 samples have 20 accuracies above the first: long before 60 epochs one of them stays.
    let (_, record) = try run([
      "training.epochs=60", "training.watch=digit/accuracy", "training.early_stopping_patience=3",
      "training.reduce_on_plateau={patience: 2}", "training.restore_best=true",
    ])
    let accuracies = record.epochs.compactMap { $0.validationMetrics?["digit/accuracy"] }
    #expect(accuracies.count < 60)
    let best = try #require(accuracies.firstIndex(of: accuracies.max() ?? 0))
    #expect(accuracies.count == best + 1 + 3)
    func said(_ words: String) -> Bool { record.messages.contains { $0.contains(words) } }
    #expect(said("stopped early: 3 validations without a higher digit/accuracy"))
    #expect(said("the validation digit/accuracy no longer rises: the learning rate is reduced"))
    #expect(said("using the weights of epoch \(best + 1), with the highest validation digit/accuracy"))
  }

  @Test("a run that watches the loss has a position of always; one that goes on by another column begins anew with it")
  func otherColumn() throws {
    let start = try interrupted(try makeLoop(text, data: parts()), after: 12)
    let position = try json(start.position)
    #expect(position["watched"] == nil && position["bestLoss"] != nil)
    let single = try interrupted(try makeLoop(), after: 3)
    #expect(try json(single.position)["outputs"] == nil && json(single.position)["watched"] == nil)
    let (_, record) = try run(["training.epochs=4", "training.watch=digit/loss"], from: start)
    let numbers = record.epochs.compactMap { $0.validationMetrics?["digit/loss"] }
    #expect(record.checkpoints.last?.position.watched?.number == numbers.min())
    #expect(record.messages.contains { $0.contains("digit/loss is watched from here on") }, "\(record.messages)")
    let back = try run(["training.epochs=5"], from: record.checkpoints.last)
    #expect(back.record.checkpoints.last?.position.watched == nil)
  }

  @Test("an output with more units than its field has classes is named")
  func units() throws {
    let (_, record) = try run(["training.steps=1", "model.layers.4.dense.units=3"])
    #expect(
      record.messages.contains { $0.contains("digit has 2 classes (even, odd), and digit ends with outputs for 3") },
      "\(record.messages)")
  }

  @Test("a column that there is not is named with its line, and those that there are")
  func unknown() throws {
    func message(_ text: String, _ layout: DatasetLayout) -> String {
      do {
        _ = try Configuration(text: text, file: "test.yaml").trainingStep(on: layout)
        return ""
      } catch {
        return "\(error)"
      }
    }
    let wrong = text.replacing("  epochs: 3", with: "  watch: digit/f1_scor\n  epochs: 3")
    let found = message(wrong, try Samples(8).layout)
    #expect(found.contains("test.yaml:14:"), "\(found)")
    #expect(found.contains("training.watch: there is no column digit/f1_scor; did you mean digit/f1_score?"))
    #expect(found.contains("total"), "\(found)")
    for word in ["total", "loss", "accuracy"] {
      let layout = DatasetLayout(sampleShape: [28, 28, 1], targets: .classes)
      #expect(message(smallRun.replacing("epochs: 3", with: "epochs: 3, watch: \(word)"), layout) == "")
    }
  }
}

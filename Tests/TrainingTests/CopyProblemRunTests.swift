import SwitchbackDatasets
import SwitchbackTraining
import Testing

private func text(_ data: String) -> String {
  """
  version: 1
  model:
    layers: [{gru: {units: 4, return_sequences: true}}, {dense: {units: 9, activation: softmax}}]
  data: {dataset: copy-problem, \(data)}
  training: {epochs: 2, batch_size: 16, loss: sparse_categorical_crossentropy, optimizer: {type: adam}}
  backend: {name: reference}
  """
}

private func problems(_ data: String) -> String { problems(in: text(data)).joined(separator: "\n") }

@Suite("The copy problem in runs")
struct CopyProblemRunTests {
  @Test("it is read from YAML, with defaults, and back")
  func reading() throws {
    for (keys, problem) in [
      ("delay: 100", CopyProblem(delay: 100)),
      ("delay: 7, samples: 64, seed: 5, test_split: 0.25", CopyProblem(delay: 7, count: 64, seed: 5, testSplit: 0.25)),
    ] {
      let made = try Configuration(text: text(keys), file: "test.yaml")
      #expect(made.data.source == .copying(problem))
      #expect(try Configuration(text: made.resolvedText, file: "a").data.source == .copying(problem))
    }
  }

  @Test(
    "what it cannot be is said with its line",
    arguments: [
      ("seed: 1", "data.delay is missing"),
      ("delay: 0", "data.delay must be a whole number from 1"),
      ("delay: 5, samples: 1", "data.samples must be a whole number from 2"),
      ("delay: 5, sequence_length: 9", "data.sequence_length is not a key here"),
    ])
  func mistakes(keys: String, words: String) {
    let found = problems(keys)
    #expect(found.contains(words) && found.contains("test.yaml:4:"), "\(found)")
  }

  @Test("a run on it goes on after an interruption to the bits that it would have had, and judges each step")
  func resumed() throws {
    let text = text("delay: 2, samples: 60, validation_split: 0.2")
    let (whole, record) = try expectSameBits(goingOnWith: text, after: 2)
    #expect(record.targets == .stepClasses(22))
    let data = try Configuration(text: text, file: "test.yaml").data
    let test = try data.source.open(data.request).test
    let evaluation = try whole.session.evaluate(test)
    #expect(evaluation.classes?.sampleCount == test.count * 22 && evaluation.outputs[0].classNames.last == "blank")
    let answer = try #require(try whole.session.trainedModel(for: test).predict(test, [0])[0]["labels"])
    #expect(answer.steps.count == 22 && answer.steps.allSatisfy { $0?.scores.count == 9 })
  }
}

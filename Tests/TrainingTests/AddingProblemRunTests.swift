import SwitchbackDatasets
import SwitchbackTraining
import Testing

private func text(_ data: String) -> String {
  """
  version: 1
  model:
    layers: [flatten, {dense: {units: 8, activation: tanh}}, {dense: {units: 1}}]
  data: {dataset: adding-problem, \(data)}
  training: {epochs: 2, batch_size: 16, loss: mean_squared_error, optimizer: {type: adam}}
  backend: {name: reference}
  """
}

private func problems(_ data: String) -> String { problems(in: text(data)).joined(separator: "\n") }

@Suite("The adding problem in runs")
struct AddingProblemRunTests {
  @Test("it is read from YAML, with defaults, and back")
  func reading() throws {
    for (keys, problem) in [
      ("sequence_length: 100", AddingProblem(sequenceLength: 100)),
      (
        "sequence_length: 7, samples: 64, seed: 5, test_split: 0.25",
        AddingProblem(sequenceLength: 7, count: 64, seed: 5, testSplit: 0.25)
      ),
    ] {
      let made = try Configuration(text: text(keys), file: "test.yaml")
      #expect(made.data.source == .adding(problem))
      #expect(try Configuration(text: made.resolvedText, file: "a").data.source == .adding(problem))
    }
  }

  @Test(
    "what it cannot be is said with its line",
    arguments: [
      ("seed: 1", "data.sequence_length is missing"),
      ("sequence_length: 1", "data.sequence_length must be a whole number from 2"),
      ("sequence_length: 5, samples: 1", "data.samples must be a whole number from 2"),
      ("sequence_length: 5, path: x", "data.path is not a key here"),
      ("sequence_length: 5, seed: x", "data.seed must be a whole number"),
    ])
  func mistakes(keys: String, words: String) {
    let found = problems(keys)
    #expect(found.contains(words) && found.contains("test.yaml:4:"), "\(found)")
  }

  @Test("a run on it goes on after an interruption to the bits that it would have had")
  func resumed() throws {
    _ = try expectSameBits(
      goingOnWith: text("sequence_length: 6, samples: 100, validation_split: 0.2"), after: 3)
  }
}

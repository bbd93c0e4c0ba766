import SwitchbackDatasets
import SwitchbackTraining
import Testing

private func text(_ data: String) -> String {
  """
  version: 1
  model:
    layers: [{dense: {units: 1}}]
  data: {\(data)}
  training:
    optimizer: {type: sgd, learning_rate: 0.1}
  """
}

private func problems(_ data: String) -> String { problems(in: text(data)).joined(separator: "\n") }

@Suite("Sections of texts and time series")
struct SequenceDataSectionTests {
  /// Read, and read again from what is resolved.
  private func source(_ data: String) throws -> DatasetSource {
    let made = try Configuration(text: text(data), file: "test.yaml")
    #expect(try Configuration(text: made.resolvedText, file: "a").data.source == made.data.source)
    return made.data.source
  }

  @Test("a folder of texts, with defaults and without")
  func folder() throws {
    #expect(try source("dataset: text-folder, path: x") == .texts(TextFolder(path: "x")))
    #expect(
      try source(
        "dataset: text-folder, path: x, sequence_length: 50, vocabulary_size: 999, min_frequency: 2, test_split: 0.1")
        == .texts(
          TextFolder(
            path: "x", sequenceLength: 50, vocabulary: .init(size: 999, minFrequency: 2), testSplit: 0.1)))
  }

  @Test("a column of texts has the keys of vocabularies, which others have not")
  func column() throws {
    var file = CSVFile(path: "a.csv", labels: ["x"])
    file.columns = ["review": .text]
    #expect(try source("dataset: csv, path: a.csv, label: x, columns: {review: text}") == .csv(file))
    (file.vocabulary, file.sequenceLength) = (.init(size: 30, minFrequency: 5), 8)
    #expect(
      try source(
        "dataset: csv, path: a.csv, label: x, columns: {review: text}, vocabulary_size: 30, min_frequency: 5, "
          + "sequence_length: 8") == .csv(file))
    let plain = try Configuration(text: text("dataset: csv, path: a.csv, label: x, columns: {y: tokens}"), file: "a")
    #expect(!plain.resolvedText.contains("vocabulary_size"))
  }

  @Test("a time series, with defaults and without")
  func series() throws {
    #expect(
      try source("dataset: time-series, path: a.csv, target: load, window: 48")
        == .series(TimeSeries(path: "a.csv", targets: ["load"], window: 48)))
    let all = TimeSeries(
      path: "a.csv", columns: ["load", "3"], targets: ["load", "wind"], window: 24, horizon: 6, stride: 2,
      testSplit: 0.3,
      hasHeader: false, delimiter: 9, isNormalized: false)
    #expect(
      try source(
        "dataset: time-series, path: a.csv, columns: [load, 3], target: [load, wind], window: 24, horizon: 6, stride: 2, "
          + "test_split: 0.3, header: false, delimiter: tab, normalize: false") == .series(all))
  }

  @Test(
    "what cannot be is said with its line",
    arguments: [
      ("dataset: text-folder", "data.path is missing"),
      (
        "dataset: text-folder, path: x, vocabulary_size: 2",
        "data.vocabulary_size must be a whole number from 3 to 131072"
      ),
      ("dataset: text-folder, path: x, min_frequency: 0", "data.min_frequency must be a positive whole number"),
      ("dataset: text-folder, path: x, sequence_length: 0", "data.sequence_length must be a whole number from 1"),
      ("dataset: text-folder, path: x, image_size: 3", "data.image_size is not a key here"),
      ("dataset: text-foldr, path: x", "data.dataset cannot be text-foldr; did you mean text-folder?"),
      ("dataset: csv, path: a, label: x, vocabulary_size: 30", "data.vocabulary_size is not a key here"),
      ("dataset: csv, path: a, label: {table: values}, columns: {y: text}", "another field that is called table"),
      ("dataset: time-series, path: x, window: 3", "data.target is missing"),
      ("dataset: time-series, path: x, target: y", "data.window is missing"),
      ("dataset: time-series, path: x, target: y, window: 0", "data.window must be a whole number from 1"),
      (
        "dataset: time-series, path: x, target: y, window: 1, horizon: -1", "data.horizon must be a whole number from 1"
      ),
      ("dataset: time-series, path: x, target: [[y]], window: 1", "data.target must be a word or a list of words"),
      (
        "dataset: time-series, path: x, target: y, window: 1, columns: {a: tokens}",
        "data.columns must be a word or a list"
      ),
    ])
  func mistakes(keys: String, words: String) {
    let found = problems(keys)
    #expect(found.contains(words) && found.contains("test.yaml:4:"), "\(found)")
  }
}

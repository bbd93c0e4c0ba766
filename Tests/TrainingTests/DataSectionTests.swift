import SwitchbackDatasets
import SwitchbackTraining
import Testing

private func text(_ data: String) -> String {
  """
  version: 1
  model:
    layers: [{dense: {units: 1}}]
  data: \(data)
  training:
    optimizer: {type: sgd, learning_rate: 0.1}
  """
}

private func problems(_ data: String) -> String { problems(in: text(data)).joined(separator: "\n") }

@Suite struct DataSectionTests {
  @Test("of a run without a record class numbers are not guessed where any of several targets is of classes")
  func unrecorded() throws {
    func request(_ label: String) throws -> DatasetRequest {
      let data = try Configuration(text: text("{dataset: csv, path: a.csv, label: \(label)}"), file: "a").data
      return try RunData(run: "/nowhere", checkpoint: nil, source: data.source).request(data, run: "/nowhere")
    }
    let error = #expect(throws: DatasetError.self) { try request("{ink: values, digit: classes}") }
    #expect(error?.message.contains("did not keep the names of its classes") == true)
    #expect(try request("{ink: values, width: values}").classNames == nil)
  }

  @Test("a table names pictures and several targets, and reads back to itself")
  func table() throws {
    let made = try Configuration(
      text: text(
        "{dataset: csv, path: samples.csv, images: file, image_size: [28, 20], channels: 1, "
          + "label: {digit: classes, ink: values}, normalize: true, check: all}"), file: "test.yaml")
    let file = CSVFile(
      path: "samples.csv", learnt: [.init("digit", .classes), .init("ink", .values)],
      pictures: .init(column: "file", height: 28, width: 20, channels: 1, check: .all), isNormalized: true)
    #expect(made.data.source == .csv(file))
    #expect(try Configuration(text: made.resolvedText, file: "a").data.source == .csv(file))
    let numbered = try Configuration(
      text: text("{dataset: csv, path: a.csv, header: false, images: 0, image_size: 8, label: {1: values}}"), file: "a")
    let other = CSVFile(
      path: "a.csv", learnt: [.init("1", .values)], pictures: .init(column: "0", height: 8, width: 8, channels: 3),
      hasHeader: false)
    #expect(numbered.data.source == .csv(other))
    #expect(try Configuration(text: numbered.resolvedText, file: "a").data.source == .csv(other))
  }

  @Test("how images of another shape get their size is read of folders and tables, and is stretch unless said")
  func fit() throws {
    func source(_ data: String) throws -> DatasetSource {
      let made = try Configuration(text: text(data), file: "a")
      #expect(try Configuration(text: made.resolvedText, file: "a").data.source == made.data.source)
      return made.data.source
    }
    let folder = "{dataset: image-folder, path: x, image_size: 8"
    #expect(
      try source(folder + ", fit: crop}")
        == .imageFolder(ImageFolder(path: "x", height: 8, width: 8, channels: 3, fit: .crop)))
    #expect(try source(folder + "}") == .imageFolder(ImageFolder(path: "x", height: 8, width: 8, channels: 3)))
    let pictures = CSVFile.Pictures(column: "file", height: 8, width: 8, channels: 3, fit: .pad)
    #expect(
      try source("{dataset: csv, path: a.csv, label: x, images: file, image_size: 8, fit: pad}")
        == .csv(CSVFile(path: "a.csv", labels: ["x"], pictures: pictures)))
    #expect(problems(folder + ", fit: cover}").contains("data.fit cannot be cover"))
  }

  @Test("what columns are that are no numbers is read back too")
  func columns() throws {
    let columns =
      "{id: ignored, 3: ignored, kind: one_hot, size: {ordinal: [small, \"no\"]}, 4: ordinal, b: {one_hot: [7]}}"
    let made = try Configuration(
      text: text("{dataset: csv, path: a.csv, label: x, columns: \(columns)}"), file: "a")
    var file = CSVFile(path: "a.csv", labels: ["x"])
    file.columns = [
      "id": .ignored, "3": .ignored, "kind": .oneHot(), "size": .ordinal(["small", "no"]), "4": .ordinal(),
      "b": .oneHot(["7"]),
    ]
    #expect(made.data.source == .csv(file))
    #expect(try Configuration(text: made.resolvedText, file: "a").data.source == .csv(file))
  }

  @Test("a column of tokens and the length of its sequences are read back")
  func tokens() throws {
    let keys = "{dataset: csv, path: a.csv, label: x, columns: {text: tokens}"
    var file = CSVFile(path: "a.csv", labels: ["x"])
    file.columns = ["text": .tokens]
    for (more, length) in [("}", nil), (", sequence_length: 12}", 12)] {
      let made = try Configuration(text: text(keys + more), file: "a")
      file.sequenceLength = length
      #expect(made.data.source == .csv(file))
      #expect(try Configuration(text: made.resolvedText, file: "a").data.source == .csv(file))
    }
  }

  @Test("one label stays the field labels, and a table without pictures has no keys for them")
  func plain() throws {
    let made = try Configuration(
      text: text("{dataset: csv, path: a.csv, label: [x, y], targets: values}"), file: "test.yaml")
    #expect(made.data.source == .csv(CSVFile(path: "a.csv", labels: ["x", "y"], targets: .values)))
    #expect(!made.resolvedText.contains("image") && !made.resolvedText.contains("channels"))
  }

  @Test(
    "what cannot be is said with its key",
    arguments: [
      ("label: {x: clases}", "data.label.x cannot be clases; did you mean classes?"),
      ("label: x, columns: {y: onehot}", "data.columns.y cannot be onehot; did you mean one_hot?"),
      ("label: x, columns: {y: {ordinal: [a], one_hot: [a]}}", "data.columns.y must have one list of words"),
      ("label: x, columns: {y: {ordinal: []}}", "data.columns.y must have one list of words"),
      ("label: x, columns: {y: {}}", "data.columns.y must have one list of words"),
      ("label: x, columns: {y: {ordinal: [a, [b]]}}", "data.columns.y.ordinal must be a word or a list of words"),
      ("label: x, columns: {y: {order: [a]}}", "data.columns.y.order is not a key here"),
      ("label: x, columns: {y: {ordinal: [a, b, a]}}", "the list of the column y has a word twice"),
      ("label: x, columns: {y: {one_hot: [\"\"]}}", "the list of the column y has a word twice, or an empty one"),
      ("label: {}", "data.label must name a column"), ("label: {x: [1]}", "data.label.x must be a word"),
      ("label: {x: classes}, targets: values", "data.targets is not a key here"),
      ("label: x, images: file", "data.image_size is missing"),
      ("label: x, image_size: 28", "data.image_size is not a key here"),
      ("label: x, fit: pad", "data.fit is not a key here"),
      ("label: {table: values}, images: file, image_size: 28", "another field that is called table"),
      ("label: {a b: values}", "a field cannot be called \"a b\""),
      ("images: file, image_size: 2", "data.label is missing"),
      ("label: x, columns: {y: tokens}, sequence_length: 0", "data.sequence_length must be a whole number from 1"),
      ("label: x, sequence_length: 5", "data.sequence_length is not a key here"),
      ("label: {table: values}, columns: {y: tokens}", "another field that is called table"),
    ])
  func mistakes(keys: String, words: String) {
    let found = problems("{dataset: csv, path: a.csv, \(keys)}")
    #expect(found.contains(words), "\(found)")
    #expect(found.contains("test.yaml:4:"), "\(found)")
  }
}

import Foundation
import Switchback

/// What `config init` writes: the smallest configuration that learns, with what one changes first.
struct StarterConfiguration {
  var text: String
  /// What was taken for what without being told, a sentence each with what to change where it is wrong.
  var guesses: [String] = []

  init(text: String, guesses: [String]) { (self.text, self.guesses) = (text, guesses) }

  init(for dataset: NamedDataset) {
    text = """
      # A small convolutional network on \(dataset.name). All keys: switchback config show FILE, or config schema.
      version: 1
      model:
        layers:
          - conv2d: {filters: 32, kernel_size: 3, activation: relu}
          - max_pooling2d: {pool_size: 2}
          - conv2d: {filters: 64, kernel_size: 3, activation: relu}
          - max_pooling2d: {pool_size: 2}
          - flatten
          - dropout: {rate: 0.25}
          - dense: {units: 64, activation: relu}
          - dense: {units: \(dataset.classNames.count), activation: softmax} # a unit for each class
      data:
        dataset: \(dataset.name) # or your own data: config init --help
        validation_split: 0.1
      training:
        epochs: 5
        batch_size: 64
        seed: 1
        loss: categorical_crossentropy
        optimizer: {type: adam, learning_rate: 0.001} # a schedule: learning_rate: {type: cosine, …}
        early_stopping_patience: 3
      backend: openblas # switchback backends lists them
      monitor:
        action: warn # stop: end the run at the first finding

      """
  }

  init(for folder: ImageFolderSurvey) throws {
    guard folder.classNames.count > 1 else {
      throw DatasetError(
        .invalid, "\(folder.path) has one class, \(folder.classNames.joined()): to be told apart there must be two")
    }
    let layers = Self.features(of: folder.images) + [Self.head(.classes(folder.classNames.count))]
    text = Self.text(
      "A small network on the images of \(folder.path): \(Self.classWords(folder.classNames)).", inputs: nil, layers,
      data: [
        "dataset: image-folder", "path: \(Self.word(folder.path))", Self.size(folder.images),
        "channels: \(folder.images.channels) # 1: gray, 3: color",
        "test_split: 0.2 # where there is no folder test", "validation_split: 0.1",
      ], samples: folder.count, loss: "categorical_crossentropy")
    guesses = [
      "each of these folders is a class: \(ClassOrder.words(folder.classNames)); move or rename those that are none",
      Self.sizeGuess(folder.images),
    ]
  }

  init(for folder: TextFolderSurvey) throws {
    guard folder.classNames.count > 1 else {
      throw DatasetError(
        .invalid, "\(folder.path) has one class, \(folder.classNames.joined()): to be told apart there must be two")
    }
    let layers = Self.reading(
      vocabulary: folder.vocabularySize, why: "as many as data.vocabulary_size", input: "", name: "")
    text = Self.text(
      "A small network on the texts of \(folder.path): \(Self.classWords(folder.classNames)).", inputs: "[tokens]",
      layers + ["dropout: {rate: 0.3}", Self.head(.classes(folder.classNames.count))],
      data: [
        "dataset: text-folder", "path: \(Self.word(folder.path))",
        "vocabulary_size: \(folder.vocabularySize) # the most frequent words; 0 is padding, 1 any other word",
        "sequence_length: \(folder.sequenceLength) # longer texts are cut, shorter ones padded",
        "masks: {tokens: lengths} # padding is not read",
        "test_split: 0.2 # where there is no folder test", "validation_split: 0.1",
      ], samples: folder.count, loss: "categorical_crossentropy", optimizer: Self.optimizerOfSequences)
    guesses = [
      "each of these folders is a class: \(ClassOrder.words(folder.classNames)); move or rename those that are none",
      "\(folder.sequenceLength) tokens say enough of a text; data.sequence_length says otherwise",
    ]
  }

  /// `label` is the column that is to be learnt; nil: the one whose name says so, or the last.
  init(for table: CSVSurvey, label: String?) throws {
    let target = try Self.label(of: table, label)
    let task = try Self.task(of: target, in: table)
    let columns = try StarterColumns(of: table, besides: target)
    let (pictures, numbers) = (columns.pictures, columns.numbers)
    if pictures != nil, table.images == nil {
      throw DatasetError(
        .missing, "none of the pictures that \(table.path) names can be read; paths are relative to its folder")
    }
    var data = ["dataset: csv", "path: \(Self.word(table.path))"]
    data.append("label: \(Self.word(target.name))" + (label == nil ? " # what is to be learnt: a guess" : ""))
    if case .values = task { data.append("targets: values") }
    if let pictures, let images = table.images {
      data += [
        "images: \(Self.word(pictures.name))", Self.size(images), "channels: \(images.channels) # 1: gray, 3: color",
      ]
    }
    // All words are listed: one that stands in few rows may be in none of the training part.
    let readings =
      columns.words.map { "\(Self.word($0.name)): {one_hot: [\($0.fewWords.map(Self.word).joined(separator: ", "))]}" }
      + columns.texts.map { "\(Self.word($0.column.name)): \($0.text.isOfNumbers ? "tokens" : "text")" }
      + columns.ignored.map { "\(Self.word($0.name)): ignored" }
    if !readings.isEmpty {
      let why = columns.ignored.isEmpty ? "" : " # ignored: many words, numbers of rows, constants, or with gaps"
      data.append("columns: {\(readings.joined(separator: ", "))}" + why)
    }
    let texts = columns.texts.map(\.text)
    if let length = texts.map(\.sequenceLength).max() {
      data.append("sequence_length: \(length) # longer texts are cut, shorter ones padded")
    }
    if !texts.isEmpty {
      let masks = columns.texts.map { "\(Self.word($0.column.name)): \(Self.word(Field.lengths(of: $0.column.name)))" }
      data.append("masks: {\(masks.joined(separator: ", "))} # padding is not read")
    }
    if let size = texts.filter({ !$0.isOfNumbers }).map(\.tokenCount).max() {
      data.append("vocabulary_size: \(size) # the most frequent words; 0 is padding, 1 any other word")
    }
    if !table.hasHeader { data.append("header: false") }
    if let delimiter = Self.delimiter(of: table) { data.append("delimiter: \(delimiter)") }
    if !numbers.isEmpty { data.append("normalize: true # numbers get mean 0 and deviation 1") }
    data += ["test_split: 0.2", "validation_split: 0.1"]
    let (inputs, layers) = Self.branches(columns, table.images)
    text = Self.text(
      "A small network on \(table.path): \(table.rowCount) rows, of which it learns \(target.name).", inputs: inputs,
      layers + [Self.head(task)], data: data, samples: table.rowCount, loss: task.loss,
      optimizer: texts.isEmpty ? Self.usualOptimizer : Self.optimizerOfSequences)
    guesses =
      Self.guesses(of: table) + Self.guesses(of: target, task, isGiven: label != nil) + columns.guesses
      + (pictures == nil ? [] : table.images.map { [Self.sizeGuess($0)] } ?? [])
  }

  /// Layers for each field that the columns become, joined where there are several; `inputs` says their names then.
  private static func branches(
    _ columns: StarterColumns, _ images: ImageSurvey?
  ) -> (inputs: String?, layers: [String]) {
    let images = columns.pictures == nil ? nil : images
    let fields =
      (images == nil ? [] : [Field.images]) + columns.texts.map(\.column.name)
      + (columns.hasFeatures ? [Field.table] : [])
    func texts(_ text: CSVSurvey.Column.Text, input: String, name: String) -> [String] {
      let why = text.isOfNumbers ? "one more than the largest token" : "as many as data.vocabulary_size, or more"
      return reading(vocabulary: text.tokenCount, why: why, input: input, name: name)
    }
    guard fields.count > 1 else {
      if let images { return (nil, features(of: images)) }
      if let (_, text) = columns.texts.first { return (nil, texts(text, input: "", name: "")) }
      return (nil, ["dense: {units: 32, activation: relu}", "dense: {units: 32, activation: relu}"])
    }
    // A layer cannot be called like a field.
    func free(_ name: String) -> String { fields.contains(name) ? free(name + "_") : name }
    var (layers, ends): ([String], [String]) = ([], [])
    if let images {
      ends.append(free("seen"))
      layers += features(of: images, input: Field.images, name: ends.last)
    }
    for (place, (column, text)) in columns.texts.enumerated() {
      ends.append(free(place == 0 ? "read" : "read\(place + 1)"))
      layers += texts(text, input: ", inputs: \(word(column.name))", name: ", name: \(ends.last ?? "")")
    }
    if columns.hasFeatures {
      ends.append(free("side"))
      layers.append("dense: {units: 16, activation: relu, name: \(ends.last ?? ""), inputs: table}")
    }
    layers.append("concatenate: {inputs: [\(ends.joined(separator: ", "))]}")
    return ("[\(fields.map(word).joined(separator: ", "))]", layers)
  }

  /// Of tokens, whose padding is masked: vectors, which an LSTM reads from both ends.
  private static func reading(vocabulary: Int, why: String, input: String, name: String) -> [String] {
    [
      "embedding: {input_dim: \(vocabulary), output_dim: 32\(input)} # \(why)",
      "bidirectional: {layer: {lstm: {units: 32}}\(name)}",
    ]
  }

  /// How the file is read.
  static func guesses(of table: CSVSurvey) -> [String] {
    let names = table.columns.prefix(5).map(\.name).joined(separator: ", ") + (table.columns.count > 5 ? ", …" : "")
    var guesses = [
      table.hasHeader
        ? "the first row names the columns (\(names)); data.header: false where it is one of data"
        : "the first row is one of data, and columns are called by their number from 0; take data.header: false away "
          + "where it names them"
    ]
    if let delimiter = delimiter(of: table) {
      guesses.append("between cells stands \(delimiter); data.delimiter says another")
    }
    return guesses
  }

  /// What is learnt, and as what.
  private static func guesses(of target: CSVSurvey.Column, _ task: Task, isGiven: Bool) -> [String] {
    var guesses = isGiven ? [] : ["the column \(target.name) is to be learnt; --label names another"]
    guard target.kind == .numbers else { return guesses }
    switch task {
    case .classes(let count):
      guesses.append(
        "the \(count) numbers of \(target.name) are classes; for a quantity say data.targets: values, training.loss: "
          + "mean_squared_error, and a last layer dense: {units: 1}")
    case .values:
      guesses.append(
        "\(target.name) is a quantity; for classes take data.targets away, and say training.loss: "
          + "categorical_crossentropy and a last layer dense with a unit for each class and activation: softmax")
    }
    return guesses
  }

  private static func sizeGuess(_ images: ImageSurvey) -> String {
    "images are resized to \(images.height)×\(images.width), \(images.channels == 1 ? "gray" : "in color"); "
      + "data.image_size and data.channels say otherwise"
  }

  /// Nil: a comma.
  static func delimiter(of table: CSVSurvey) -> String? {
    switch table.delimiter {
    case UInt8(ascii: ","): nil
    case 9: "tab"
    default: "\"\(Unicode.Scalar(table.delimiter))\""
    }
  }

  private enum Task {
    case classes(Int)
    case values

    var loss: String { if case .classes = self { "categorical_crossentropy" } else { "mean_squared_error" } }
  }

  static let labelNames = [
    "label", "labels", "class", "classes", "target", "targets", "category", "kind", "species", "digit", "y",
  ]

  private static func label(of table: CSVSurvey, _ label: String?) throws -> CSVSurvey.Column {
    let names = table.columns.map(\.name)
    if let label { return try column(label, of: table) }
    let guessed = labelNames.lazy.compactMap { name in names.firstIndex { $0.lowercased() == name } }.first
    return table.columns[guessed ?? names.count - 1]
  }

  /// The column of that name or, where none has it, of that number from 0.
  static func column(_ name: String, of table: CSVSurvey) throws -> CSVSurvey.Column {
    let names = table.columns.map(\.name)
    let index = names.firstIndex(of: name) ?? Int(name).flatMap { names.indices.contains($0) ? $0 : nil }
    guard let index else {
      throw DatasetError(
        .invalid, "\(table.path) has no column \(name); columns are \(names.prefix(20).joined(separator: ", "))")
    }
    return table.columns[index]
  }

  /// Words, and few whole numbers, are classes.
  private static func task(of column: CSVSurvey.Column, in table: CSVSurvey) throws -> Task {
    let count = column.distinctCount
    if let unreadable = column.kind == .numbersWithGaps ? column.words : column.empty {
      throw DatasetError(
        .invalid,
        "\(table.path): the column \(column.name) is to be learnt, and cannot be read in "
          + "\(StarterColumns.cells(unreadable, of: table)); fill these cells, remove their rows, or name another column "
          + "with --label")
    }
    if column.kind == .numbers {
      guard column.isWhole, let count, count <= 20 else { return .values }
      return .classes(try several(count, of: column, in: table))
    }
    guard let count, count < table.rowCount else {
      throw DatasetError(
        .invalid,
        "\(table.path): in the column \(column.name) \(count == nil ? "stand more than a thousand words" : "no word stands twice"), "
          + "so they are no classes; --label names the column that is to be learnt")
    }
    return .classes(try several(count, of: column, in: table))
  }

  private static func several(_ count: Int, of column: CSVSurvey.Column, in table: CSVSurvey) throws -> Int {
    guard count > 1 else {
      throw DatasetError(
        .invalid,
        "\(table.path): every row has the same in the column \(column.name), so there is nothing to be learnt; --label "
          + "names another column")
    }
    return count
  }

  /// Of pictures that are large enough with convolutions, which read `input`; the last layer is called `name`.
  private static func features(of images: ImageSurvey, input: String? = nil, name: String? = nil) -> [String] {
    let reads = input.map { ", inputs: \($0)" } ?? ""
    let called = name.map { ", name: \($0)" } ?? ""
    let isLarge = min(images.height, images.width) >= 10
    let first =
      isLarge
      ? [
        "conv2d: {filters: 16, kernel_size: 3, activation: relu\(reads)}", "max_pooling2d: {pool_size: 2}",
        "conv2d: {filters: 32, kernel_size: 3, activation: relu}", "max_pooling2d: {pool_size: 2}", "flatten",
      ] : [input.map { "flatten: {inputs: \($0)}" } ?? "flatten"]
    return first + ["dense: {units: 64, activation: relu\(called)}"]
  }

  private static func head(_ task: Task) -> String {
    switch task {
    case .classes(let count): "dense: {units: \(count), activation: softmax} # a unit for each class"
    case .values: "dense: {units: 1}"
    }
  }

  private static func size(_ images: ImageSurvey) -> String {
    "image_size: [\(images.height), \(images.width)] # height and width that every image is resized to"
  }

  private static func classWords(_ names: [String]) -> String { "\(names.count) classes (\(ClassOrder.words(names)))" }

  private static let usualOptimizer = "{type: adam, learning_rate: 0.001}"
  /// Gradients through time may grow.
  static let optimizerOfSequences = "{type: adam, learning_rate: 0.002, global_clipnorm: 1}"

  static let batchSize = 32
  /// Weights need so many updates, however few samples there are.
  static let leastUpdates = 1000

  /// How many epochs make `leastUpdates` of so many samples, of which seven in ten are trained on: by tens, and so that
  /// neither a large table gets too few nor a tiny one hundreds.
  static func epochs(samples: Int) -> Int {
    let updatesPerEpoch = max(1, (samples * 7 / 10 + batchSize - 1) / batchSize)
    let least = (leastUpdates + updatesPerEpoch - 1) / updatesPerEpoch
    return min(max(10, (least + 9) / 10 * 10), 200)
  }

  /// `samples` is how many there are in all parts.
  static func text(
    _ title: String, inputs: String?, _ layers: [String], data: [String], samples: Int, loss: String,
    optimizer: String = usualOptimizer
  ) -> String {
    let epochs = epochs(samples: samples)
    // A name from a file would end the comment with the line.
    let title = String(title.map { $0.isNewline ? " " : $0 })
    return """
      # \(title) All keys: switchback config show FILE, or config schema.
      version: 1
      model:
      \(inputs.map { "  inputs: \($0)\n" } ?? "")  layers:
      \(layers.map { "    - \($0)" }.joined(separator: "\n"))
      data:
      \(data.map { "  \($0)" }.joined(separator: "\n"))
      training:
        epochs: \(epochs) # for about \(leastUpdates) updates, one a batch: from 10 epochs (many samples) to 200 (few)
        batch_size: \(batchSize)
        seed: 1
        loss: \(loss)
        optimizer: \(optimizer)
        early_stopping_patience: \(max(3, epochs / 10)) # epochs
      backend: openblas # switchback backends lists them
      monitor:
        action: warn # stop: end the run at the first finding

      """
  }

  /// A word of YAML, in quotes where it would be something else.
  static func word(_ text: String) -> String {
    let isPlain = text.wholeMatch(of: /[A-Za-z\/][A-Za-z0-9_.\/\-]*/) != nil
    let isTaken = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(text.lowercased())
    return isPlain && !isTaken ? text : Terminal.json(text)
  }
}

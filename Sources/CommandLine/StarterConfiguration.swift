import Foundation
import Switchback

/// What `config init` writes: the smallest configuration that learns, with what one changes first.
enum StarterConfiguration {
  static func text(for dataset: NamedDataset) -> String {
    """
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
      dataset: \(dataset.name) # or image-folder, csv: your own data
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

  static func text(for folder: ImageFolderSurvey) throws -> String {
    guard folder.classNames.count > 1 else {
      throw DatasetError(
        .invalid, "\(folder.path) has one class, \(folder.classNames.joined()): to be told apart there must be two")
    }
    let layers = features(of: folder.images) + [head(.classes(folder.classNames.count))]
    return text(
      "A small network on the images of \(folder.path): \(classWords(folder.classNames)).", inputs: nil, layers,
      data: [
        "dataset: image-folder", "path: \(word(folder.path))", size(folder.images),
        "channels: \(folder.images.channels) # 1: gray, 3: color",
        "test_split: 0.2 # where there is no folder test", "validation_split: 0.1",
      ], loss: "categorical_crossentropy")
  }

  /// `label` is the column that is to be learnt; nil: the one whose name says so, or the last.
  static func text(for table: CSVSurvey, label: String?) throws -> String {
    let target = try self.label(of: table, label)
    let task = try task(of: target, in: table)
    let others = table.columns.filter { $0 != target }
    let pictures = others.first { $0.kind == .pictures }
    let numbers = others.filter { $0.kind == .numbers }
    let ignored = others.filter { $0.kind != .numbers && $0 != pictures }
    guard pictures != nil || !numbers.isEmpty else {
      throw DatasetError(.invalid, "\(table.path) has no column of numbers or pictures besides \(target.name)")
    }
    if pictures != nil, table.images == nil {
      throw DatasetError(
        .missing, "none of the pictures that \(table.path) names can be read; paths are relative to its folder")
    }
    var data = ["dataset: csv", "path: \(word(table.path))"]
    data.append("label: \(word(target.name))" + (label == nil ? " # what is to be learnt: a guess" : ""))
    if case .values = task { data.append("targets: values") }
    if let pictures, let images = table.images {
      data += ["images: \(word(pictures.name))", size(images), "channels: \(images.channels) # 1: gray, 3: color"]
    }
    if !ignored.isEmpty {
      let names = ignored.map { "\(word($0.name)): ignored" }.joined(separator: ", ")
      data.append("columns: {\(names)} # words: features are numbers")
    }
    if !table.hasHeader { data.append("header: false") }
    if table.delimiter != UInt8(ascii: ",") {
      data.append("delimiter: \(table.delimiter == 9 ? "tab" : "\"\(Unicode.Scalar(table.delimiter))\"")")
    }
    if !numbers.isEmpty { data.append("normalize: true # features get mean 0 and deviation 1") }
    data += ["test_split: 0.2", "validation_split: 0.1"]
    let dense = ["dense: {units: 32, activation: relu}", "dense: {units: 32, activation: relu}"]
    let layers: [String]
    var inputs: String?
    switch (pictures == nil ? nil : table.images, numbers.isEmpty) {
    case (nil, _): layers = dense
    case (let images?, true): layers = features(of: images)
    case (let images?, false):
      inputs = "[images, table]"
      layers =
        features(of: images, input: "images", name: "seen") + [
          "dense: {units: 16, activation: relu, name: side, inputs: table}", "concatenate: {inputs: [seen, side]}",
        ]
    }
    return text(
      "A small network on \(table.path): \(table.rowCount) rows, of which it learns \(target.name).", inputs: inputs,
      layers + [head(task)], data: data, loss: task.loss)
  }

  private enum Task {
    case classes(Int)
    case values

    var loss: String { if case .classes = self { "categorical_crossentropy" } else { "mean_squared_error" } }
  }

  private static let labelNames = [
    "label", "labels", "class", "classes", "target", "targets", "category", "kind", "species", "digit", "y",
  ]

  private static func label(of table: CSVSurvey, _ label: String?) throws -> CSVSurvey.Column {
    let names = table.columns.map(\.name)
    if let label {
      let index = names.firstIndex(of: label) ?? Int(label).flatMap { names.indices.contains($0) ? $0 : nil }
      guard let index else {
        throw DatasetError(
          .invalid, "\(table.path) has no column \(label); columns are \(names.prefix(20).joined(separator: ", "))")
      }
      return table.columns[index]
    }
    let guessed = labelNames.lazy.compactMap { name in names.firstIndex { $0.lowercased() == name } }.first
    return table.columns[guessed ?? names.count - 1]
  }

  /// Words, and few whole numbers, are classes.
  private static func task(of column: CSVSurvey.Column, in table: CSVSurvey) throws -> Task {
    let count = column.distinctCount
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

  private static func text(
    _ title: String, inputs: String?, _ layers: [String], data: [String], loss: String
  ) -> String {
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
        epochs: 10
        batch_size: 32
        seed: 1
        loss: \(loss)
        optimizer: {type: adam, learning_rate: 0.001}
        early_stopping_patience: 3
      backend: openblas # switchback backends lists them
      monitor:
        action: warn # stop: end the run at the first finding

      """
  }

  /// A word of YAML, in quotes where it would be something else.
  private static func word(_ text: String) -> String {
    let isPlain = text.wholeMatch(of: /[A-Za-z\/][A-Za-z0-9_.\/\-]*/) != nil
    let isTaken = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(text.lowercased())
    return isPlain && !isTaken ? text : Terminal.json(text)
  }
}

import ArgumentParser
import Foundation
import Switchback
import SwitchbackCrashNote
import SwitchbackPrograms

struct PredictCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "predict",
    abstract: "Predicts the classes or numbers of a test sample, of images, texts, or rows of a table.",
    discussion: flowing(
      """
      Images (PNG, JPEG, PGM, PPM) are turned as Exif says, put on white where they are transparent, resized, and made
      gray or coloured as the network wants them. A terminal shows a single image as text; several images give a CSV
      table. MNIST's digits are bright on black: pictures of ink on paper want --invert. A network that was trained on a
      table takes a CSV file of such rows, with or without the columns that were learnt; - is standard input. Columns
      are found by their names or, in a file without names, by their places; paths of pictures are relative to the
      file's folder. A network that was trained on a folder of texts takes text files, or one text on standard input.
      Of rows of a time series there is a line for each window: row is the number of its last row, from 1, and the answer
      is that of the row data.horizon behind it. Several outputs are shown with their names. Examples:

        switchback predict runs/latest --index 7
        switchback predict runs/latest digit.png --invert
        switchback predict runs/latest photos/ --output photos.csv
        switchback predict runs/latest a.png b.png --json
        switchback predict runs/latest review.txt
        # rows of a table, or of a time series:
        switchback predict runs/latest rows.csv
        (head -n 1 rows.csv; grep Rome rows.csv) | switchback predict runs/latest -
      """))

  @OptionGroup var options: RunOptions

  @Argument(help: "Image or text files, or folders of them; or a CSV file, or - for standard input.")
  var paths: [String] = []

  @Option(help: "The number of a sample of the test set, from 0, instead of files.")
  var index: Int?

  @Flag(help: "Makes dark bright and bright dark.")
  var invert = false

  @Option(help: "The file for the table, instead of standard output.")
  var output: String?

  @Flag(help: "JSON Lines on standard output: a sample each.")
  var json = false

  func run() throws {
    switchback_report_crashes()
    try reportingErrors {
      guard (index == nil) != paths.isEmpty else {
        throw fail("predict takes either --index or files", ExitCode(64))
      }
      guard !json || output == nil else {
        throw fail("--json writes to standard output, and --output is for the table: take one of them", ExitCode(64))
      }
      let run = try options.restored()
      let model = try run.model()
      warnOfScores(model)
      if let index {
        try predict(index, run, model)
        return
      }
      if let fields = TableFields(model.samples), try !fields.isPicture || isTable(paths) {
        guard paths.count == 1 else {
          throw fail("the network takes rows of a table: one CSV file, or - for standard input", ExitCode(64))
        }
        if let table = fields.table, !fields.pictures.isEmpty, paths[0] != "-", try !isTable(paths) {
          throw fail(
            "the network reads the columns of \(table.name) beside pictures: name a CSV file with both, as it was trained on",
            ExitCode(64))
        }
        try predict(rowsOf: paths[0], fields, run, model)
        return
      }
      if case .series(let series) = run.configuration.data.source {
        guard paths.count == 1 else {
          throw fail("the network takes a time series: one CSV file, or - for standard input", ExitCode(64))
        }
        try predict(windowsOf: paths[0], series, run, model)
        return
      }
      if let input = textInput(model.samples) {
        try predict(texts: try textFiles(), input, run, model)
        return
      }
      guard model.samples.inputs.count == 1 else {
        throw fail(
          "the network reads \(model.samples.inputWords), which no file says together: take a sample of the test set, "
            + "with --index, or from Swift TrainedModel.predict(fields:)", ExitCode(64))
      }
      try predict(try files(), run, model)
    }
  }

  private func warnOfScores(_ model: TrainedModel) {
    let outputs = model.samples.outputs
    let scores = outputs.filter { $0.targets.areClasses && !model.areProbabilities(of: $0.name) }
    guard !scores.isEmpty else { return }
    let names = outputs.count > 1 ? " in \(scores.map(\.name).joined(separator: ", "))" : ""
    Terminal.write(
      "warning: the network ends with no softmax or sigmoid\(names): its outputs are scores, not probabilities",
      to: .standardError)
  }

  // MARK: A sample of the test set

  private func predict(_ index: Int, _ run: RestoredRun, _ model: TrainedModel) throws {
    let test = try run.open().test
    guard (0..<test.count).contains(index) else {
      throw fail(
        test.count == 0 ? "the data has no test part" : "--index must lie from 0 to \(test.count - 1)", ExitCode(64))
    }
    let line = PredictionLine(
      sample: "test \(index)", try model.predict(test, [Int32(index)])[0], of: model, namesValues: run.namesColumns)
    if json {
      Terminal.write(Terminal.json(line))
      return
    }
    let sample = try test.numbers([Int32(index)])
    let values = model.samples.inputs.first { $0.shape.count == 3 }.map { ($0.shape, sample[$0.name] ?? []) }
    show(values.map { ($0.0, $0.1.map(Float.init)) }, line, of: model) { output in
      let numbers = sample[output.target] ?? []
      let target = test.layout[output.target]
      guard let target, target.targets.areClasses else {
        return "target: \(numbers.map { "\(Float($0))" }.joined(separator: " "))"
      }
      let names = numbers.map { number in
        target.classNames.indices.contains(Int(number)) ? target.classNames[Int(number)] : "\(Int(number))"
      }
      return (target.targets == .classes ? "label: " : "labels: ") + names.joined(separator: " ")
    }
  }

  // MARK: Rows of a table

  private func predict(
    rowsOf path: String, _ fields: TableFields, _ run: RestoredRun, _ model: TrainedModel
  ) throws {
    guard case .csv(let table) = run.configuration.data.source else {
      throw fail("the network was trained on no table", ExitCode(64))
    }
    var rows = CSVPredictionRows(
      path: path, features: fields.table?.features ?? [], words: fields.table?.words ?? [],
      pictures: fields.pictures.compactMap(\.column),
      labels: run.data.record?.labels ?? model.samples.outputs.flatMap(\.labels), hasHeader: table.hasHeader,
      delimiter: table.delimiter, width: run.data.record?.width)
    rows.hint = Self.hint
    rows.tokens = fields.tokens.compactMap(\.column)
    for input in fields.tokens { if let column = input.column { rows.vocabularies[column] = input.vocabulary } }
    var writer = PredictionTable(json: json, output: output)
    var unreadable = 0
    try rows.forEach { ignored in
      Terminal.write(
        "columns that the network does not read: \(ignored.joined(separator: ", "))", to: .standardError)
    } _: { row in
      do {
        let answers = try model.predict(fields: try values(of: try row.contents.get(), fields))
        writer.add(PredictionLine(row: row.number, answers, of: model, namesValues: run.namesColumns))
      } catch let error as DatasetError {
        // One broken row of a thousand is said, and the others are predicted.
        _ = fail(error.message, ExitStatus.badData)
        unreadable += 1
      } catch let error as TrainedModelError {
        _ = fail("row \(row.number): \(error.message)", ExitStatus.badData)
        unreadable += 1
      }
    }
    try writer.finish()
    try end(unreadable, "row")
  }

  /// What could not be read is told last, since the table holds the others.
  private func end(_ unreadable: Int, _ what: String) throws {
    guard unreadable > 0 else { return }
    let words = unreadable == 1 ? "1 \(what) was" : "\(unreadable) \(what)s were"
    throw fail("\(words) not predicted\(output.map { ": \($0) holds the others" } ?? "")", ExitStatus.badData)
  }

  private func values(
    of row: CSVPredictionRows.Contents, _ fields: TableFields
  ) throws(DatasetError) -> [String: FieldValue] {
    var values: [String: FieldValue] = [:]
    if let table = fields.table { values[table.name] = .row(row.values) }
    for (input, path) in zip(fields.pictures, row.pictures) { values[input.name] = try picture(path, input).value }
    for (input, tokens) in zip(fields.tokens, row.tokens) { values[input.name] = .tokens(tokens) }
    return values
  }

  /// The fields of a network that reads a table's rows: what is numbers of theirs, what is pictures that they name, and what
  /// is tokens or texts.
  private struct TableFields {
    let table: SampleFormat.Input?
    let pictures: [SampleFormat.Input]
    let tokens: [SampleFormat.Input]

    /// Whether that is one picture, which may be a file as well.
    var isPicture: Bool { table == nil && tokens.isEmpty && pictures.count == 1 }

    /// Nil where the network reads something else.
    init?(_ samples: SampleFormat) {
      let tables = samples.inputs.filter { $0.shape.count == 1 && $0.elementType == .float32 }
      let tokens = samples.inputs.filter { $0.elementType == .int32 && $0.lengths != nil && $0.column != nil }
      let lengths = samples.inputs.filter { input in tokens.contains { $0.lengths == input.name } }
      pictures = samples.inputs.filter { $0.channels != nil && $0.column != nil }
      (table, self.tokens) = (tables.first, tokens)
      let count = tables.count + pictures.count + tokens.count + lengths.count
      guard tables.count <= 1, count == samples.inputs.count else { return nil }
    }
  }

  /// Whether paths are one that has no image's ending, and is neither a folder nor by its contents a picture.
  private func isTable(_ paths: [String]) throws -> Bool {
    guard paths.count == 1, !Image.endings.contains((paths[0] as NSString).pathExtension.lowercased()) else {
      return false
    }
    return try paths[0] == "-" || !isFolder(paths[0]) && !Image.isPicture(at: paths[0])
  }

  private func isFolder(_ path: String) throws -> Bool {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw fail("there is no file \(path)", ExitStatus.missingFile)
    }
    return isFolder.boolValue
  }

  // MARK: Time series

  private static let hint: @Sendable (String, [String]) -> String = { missing, found in
    NearestWord.hint(NearestWord.of(missing, among: found))
  }

  /// A line for each window of consecutive rows, by the number of its last one.
  private func predict(
    windowsOf path: String, _ series: TimeSeries, _ run: RestoredRun, _ model: TrainedModel
  ) throws {
    guard model.samples.inputs.count == 1, let input = model.samples.inputs.first, input.shape.count == 2 else {
      throw fail("the network reads \(model.samples.inputWords), which is no window of a series", ExitCode(64))
    }
    let labels = run.data.record?.labels ?? model.samples.outputs.flatMap(\.labels)
    var rows = CSVPredictionRows(
      path: path, features: input.features, labels: labels.filter { !input.features.contains($0) },
      hasHeader: series.hasHeader, delimiter: series.delimiter, width: run.data.record?.columnCount)
    rows.hint = Self.hint
    var writer = PredictionTable(json: json, output: output)
    var window: [[Double]] = []
    var count = 0
    try rows.forEach { ignored in
      Terminal.write(
        "columns that the network does not read: \(ignored.joined(separator: ", "))", to: .standardError)
    } _: { row in
      // A row that cannot be read would be missing in the windows behind it.
      window.append(try row.contents.get().values)
      count = row.number
      if window.count > input.shape[0] { window.removeFirst() }
      guard window.count == input.shape[0] else { return }
      let answers = try model.predict(fields: [input.name: .rows(window)])
      writer.add(PredictionLine(row: row.number, answers, of: model, namesValues: run.namesColumns))
    }
    guard window.count == input.shape[0] else {
      throw fail("\(path) has \(count) rows, and the network reads windows of \(input.shape[0])", ExitStatus.badData)
    }
    try writer.finish()
  }

  // MARK: Texts

  /// The field of a network that reads texts in files, and perhaps how long they are.
  private func textInput(_ samples: SampleFormat) -> SampleFormat.Input? {
    guard let input = samples.inputs.first(where: { $0.vocabulary != nil && $0.column == nil }) else { return nil }
    return samples.inputs.allSatisfy { $0.name == input.name || $0.name == input.lengths } ? input : nil
  }

  private func textFiles() throws -> [String] {
    try paths.flatMap { path in
      guard try path != "-" && isFolder(path) else { return [path] }
      let texts = ((try? FileManager.default.subpathsOfDirectory(atPath: path)) ?? []).sorted()
        .filter { $0.lowercased().hasSuffix(".txt") }
      guard !texts.isEmpty else { throw fail("\(path) holds no texts (*.txt)", ExitStatus.missingFile) }
      return texts.map { path + "/" + $0 }
    }
  }

  private func predict(
    texts files: [String], _ input: SampleFormat.Input, _ run: RestoredRun, _ model: TrainedModel
  ) throws {
    let isShown = !json && files.count == 1 && output == nil
    var writer = PredictionTable(json: json, output: output)
    var unreadable = 0
    for file in files {
      let text: String
      do throws(DatasetError) {
        text =
          file == "-"
          ? try TextBytes.text(of: Array(FileHandle.standardInput.readDataToEndOfFile()), from: "standard input")
          : try TextBytes.text(at: file)
      } catch {
        // One broken text of a thousand is said, and the others are predicted.
        _ = fail(error.message, ExitStatus.badData)
        unreadable += 1
        continue
      }
      let line = PredictionLine(
        sample: file, try model.predict(fields: [input.name: .text(text)]), of: model, namesValues: run.namesColumns)
      if isShown { show(nil, line, of: model) } else { writer.add(line) }
    }
    if !isShown { try writer.finish() }
    // Of one file its own message is enough.
    if files.count > 1 { try end(unreadable, "file") }
    if unreadable > 0 { throw ExitStatus.badData }
  }

  // MARK: Image files

  /// The files, with what folders hold in their place.
  private func files() throws -> [String] {
    try paths.flatMap { path in
      guard try isFolder(path) else { return [path] }
      let images = ((try? FileManager.default.subpathsOfDirectory(atPath: path)) ?? []).sorted()
        .filter { Image.endings.contains(($0 as NSString).pathExtension.lowercased()) }
      guard !images.isEmpty else {
        throw fail("\(path) holds no images (\(Image.endings.joined(separator: ", ")))", ExitStatus.missingFile)
      }
      return images.map { path + "/" + $0 }
    }
  }

  private func predict(_ files: [String], _ run: RestoredRun, _ model: TrainedModel) throws {
    let input = model.samples.inputs[0]
    guard input.shape.count == 3, [1, 3].contains(input.shape[2]) else {
      throw DatasetError(
        .invalid, "images are [height, width, 1 or 3], and the network's input is \(input.shape): it takes no images")
    }
    let isShown = !json && files.count == 1 && output == nil
    var writer = PredictionTable(json: json, output: output)
    var unreadable = 0
    for file in files {
      let picture: (value: FieldValue, shown: [Float])
      do throws(DatasetError) {
        picture = try self.picture(file, input)
      } catch {
        // One broken picture of a thousand is said, and the others are predicted.
        _ = fail(error.message, ExitStatus.badData)
        unreadable += 1
        continue
      }
      let line = PredictionLine(
        sample: file, try model.predict(fields: [input.name: picture.value]), of: model,
        namesValues: run.namesColumns)
      if isShown { show((input.shape, picture.shown), line, of: model) } else { writer.add(line) }
    }
    if !isShown { try writer.finish() }
    // Of one file its own message is enough.
    if files.count > 1 { try end(unreadable, "file") }
    if unreadable > 0 { throw ExitStatus.badData }
  }

  /// A picture as the network reads it, with `--invert` the other way round, and as numbers from 0 to 1; `input` is one of
  /// pictures.
  private func picture(
    _ path: String, _ input: SampleFormat.Input
  ) throws(DatasetError) -> (value: FieldValue, shown: [Float]) {
    // Before it is fitted: what is put around it is no part of the picture.
    let image = invert ? try Image(path: path).inverted : try Image(path: path)
    if let warning = image.warning { Terminal.write("warning: \(path): \(warning)", to: .standardError) }
    let (height, width, channels) = (input.shape[0], input.shape[1], input.shape[2])
    guard input.elementType == .uint8 else {
      var values = [Float](repeating: 0, count: height * width * channels)
      image.write(to: &values, height: height, width: width, channels: channels, fit: input.fit)
      return (.numbers(values), values)
    }
    var bytes = [UInt8](repeating: 0, count: height * width * channels)
    image.write(to: &bytes, height: height, width: width, channels: channels, fit: input.fit)
    return (.bytes(bytes), bytes.map { Float($0) * Field.pixelScale })
  }

  // MARK: Showing

  /// The picture, where there is one; then each output, with what `truth` says of it.
  private func show(
    _ picture: (shape: [Int], values: [Float])?, _ line: PredictionLine, of model: TrainedModel,
    truth: (SampleFormat.Output) -> String? = { _ in nil }
  ) {
    if let (shape, values) = picture, shape.count == 3, Terminal.Stream.standardOutput.isInteractive {
      let drawn = TextPicture(values, height: shape[0], width: shape[1], channels: shape[2])
      for line in drawn.lines(columns: Terminal.width) { Terminal.write(line) }
    }
    let isOnly = line.outputs.count == 1
    for (output, format) in zip(line.outputs, model.samples.outputs) {
      if !isOnly { Terminal.write(output.name) }
      for words in output.lines + (truth(format).map { [$0] } ?? []) { Terminal.write((isOnly ? "" : "  ") + words) }
    }
  }
}

extension RestoredRun {
  /// Whether a row of its table names the columns.
  fileprivate var namesColumns: Bool {
    switch configuration.data.source {
    case .csv(let table): table.hasHeader
    case .series(let series): series.hasHeader
    case .named, .imageFolder, .texts, .adding, .copying: false
    }
  }
}

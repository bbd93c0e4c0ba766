import SwitchbackDatasets
import Yams

/// Reads the section `data`.
enum DataReader {
  static func data(_ section: SectionReader) -> Configuration.Data {
    let source = source(section)
    let isNamed = if case .named = source { true } else { false }
    return Configuration.Data(
      source: source,
      validationSplit: section.number(
        "validation_split", 0, in: 0...0.9, help: "The share of training samples held back to watch"),
      splitSeed: isNamed ? section.int("split_seed", 0, help: "Draws which samples are held back") : 0,
      masks: masks(section),
      augmentation: section.optionalSection(
        "augmentation", help: "How pictures are changed at random while they are trained on",
        AugmentationReader.augmentation),
      prefetch: section.choice(
        "prefetch", "auto", [("auto", nil), ("true", true), ("false", false)],
        help: "Whether the next batch is read while a step runs; auto: of files, and augmented"),
      places: Places(section, path: section.path))
  }

  private static func source(_ section: SectionReader) -> DatasetSource {
    // A wrong word is read as the first of these, which asks for no other key.
    let words =
      NamedDataset.all.map(\.name) + [
        "image-folder", "csv", TextFolder.word, TimeSeries.word, AddingProblem.word, CopyProblem.word,
      ]
    return
      switch section.choice(
        "dataset", nil, isSelector: true, words.map { ($0, $0) },
        help: "A data set by its name, the kind of files that yours is, or a synthetic problem")
    {
    case "image-folder": .imageFolder(imageFolder(section))
    case "csv": .csv(csv(section))
    case TextFolder.word: .texts(textFolder(section))
    case TimeSeries.word: .series(timeSeries(section))
    case AddingProblem.word: .adding(addingProblem(section))
    case CopyProblem.word: .copying(copyProblem(section))
    case let name:
      .named(
        name,
        path: section.optionalText(
          "path",
          help: "Where its files are, seen from the current folder, instead of where switchback data fetches them"))
    }
  }

  private static let imageSizeHelp = "Height and width that every image is resized to"
  private static let labelHelp =
    "The column that is learnt, by its name or number from 0, or several; {a: classes, b: values}: fields"
  private static let columnsHelp = "What columns are that are no numbers, by name: {id: ignored, colour: one_hot}"
  private static let readingHelp = [
    "It is not read",
    "A feature for each word, 0 or 1, not normalized; {colour: {one_hot: [red, blue]}} lists the words",
    "A feature, the word's place in their order, which {size: {ordinal: [small, large]}} says",
    "Whole numbers with blanks between them: the field NAME i32 [T], and their number in NAME_lengths",
    "Text: the same fields, of the numbers of its words in a vocabulary that the training rows make",
  ]

  private static func imageFolder(_ section: SectionReader) -> ImageFolder {
    let size = section.pair("image_size", nil, help: imageSizeHelp)
    var folder = ImageFolder(
      path: section.text(
        "path", nil,
        help: "The folder, seen from the current one: train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png"),
      height: size.height, width: size.width, channels: channels(section), fit: fit(section))
    folder.testSplit = testSplit(section, folder.testSplit)
    folder.check = check(section)
    return folder
  }

  private static func textFolder(_ section: SectionReader) -> TextFolder {
    var folder = TextFolder(
      path: section.text(
        "path", nil,
        help: "The folder, seen from the current one: train/CLASS/*.txt and test/CLASS/*.txt, or CLASS/*.txt"),
      sequenceLength: section.optionalInt(
        "sequence_length", in: 1...DatasetRecord.Tokens.mostOfSample,
        help: "How many tokens texts are cut or padded to; else as many as the longest training text has"),
      vocabulary: vocabulary(section))
    folder.testSplit = testSplit(section, folder.testSplit)
    return folder
  }

  private static func vocabulary(_ section: SectionReader) -> DatasetRecord.VocabularyLimits {
    let usual = DatasetRecord.VocabularyLimits()
    return DatasetRecord.VocabularyLimits(
      size: section.int(
        "vocabulary_size", usual.size, in: DatasetRecord.Vocabulary.sizes,
        help: "Tokens at most: 0 padding, 1 unknown, then the most frequent words of training"),
      minFrequency: section.int(
        "min_frequency", usual.minFrequency, in: .positive,
        help: "How often a word must stand in the training part to be in the vocabulary"))
  }

  private static func addingProblem(_ section: SectionReader) -> AddingProblem {
    let usual = AddingProblem(sequenceLength: 100)
    return AddingProblem(
      sequenceLength: section.int(
        "sequence_length", nil, in: AddingProblem.lengths, help: "Steps of a sequence, of two numbers each"),
      count: samples(section, usual.count), seed: seed(section, usual.seed),
      testSplit: testSplit(section, usual.testSplit))
  }

  private static func copyProblem(_ section: SectionReader) -> CopyProblem {
    let usual = CopyProblem(delay: 10)
    return CopyProblem(
      delay: section.int(
        "delay", nil, in: CopyProblem.delays,
        help: "Steps between the ten symbols and their copy; a sequence has 20 more"),
      count: samples(section, usual.count), seed: seed(section, usual.seed),
      testSplit: testSplit(section, usual.testSplit))
  }

  private static func samples(_ section: SectionReader, _ fallback: Int) -> Int {
    section.int("samples", fallback, in: AddingProblem.counts, help: "How many are made, of all parts")
  }

  private static func seed(_ section: SectionReader, _ fallback: Int) -> Int {
    section.int("seed", fallback, help: "Draws the samples")
  }

  private static func csv(_ section: SectionReader) -> CSVFile {
    let path = section.text("path", nil, help: "The file, seen from the current folder")
    var file = CSVFile(path: path, learnt: learnt(section), pictures: pictures(section))
    file.testSplit = testSplit(section, file.testSplit)
    (file.hasHeader, file.delimiter) = (header(section), delimiter(section))
    file.isNormalized = section.bool(
      "normalize", file.isNormalized,
      help: "Whether features get mean 0 and deviation 1 over the training rows; not one_hot")
    file.columns = columns(section)
    if section.problems.isDescribing || file.hasSequences {
      file.sequenceLength = section.optionalInt(
        "sequence_length", in: 1...DatasetRecord.Tokens.mostOfSample,
        help: "How many tokens sequences are cut or padded to; else as many as the longest training row has")
    }
    if section.problems.isDescribing || file.columns.values.contains(.text) { file.vocabulary = vocabulary(section) }
    for (key, fault) in [("label", file.fault), ("columns", file.faultOfColumns)] {
      if let fault { section.problems.add("\(section.full(key)): \(fault)", at: section.take(key)) }
    }
    return file
  }

  private static func header(_ section: SectionReader) -> Bool {
    section.bool("header", true, help: "Whether the first row names the columns")
  }

  private static func delimiter(_ section: SectionReader) -> UInt8 {
    section.choice(
      "delimiter", ",", [(",", UInt8(ascii: ",")), (";", UInt8(ascii: ";")), ("tab", 9), ("|", UInt8(ascii: "|"))],
      help: "What stands between cells")
  }

  private static func timeSeries(_ section: SectionReader) -> TimeSeries {
    let extents = TimeSeries.extents
    let usual = TimeSeries(path: "", targets: [], window: 1)
    return TimeSeries(
      path: section.text(
        "path", nil, help: "The file, seen from the current folder: a row a step, in the order of time"),
      columns: section.optionalTexts(
        "columns", help: "The columns that are read, by names or numbers from 0; else all") ?? [],
      targets: section.texts("target", nil, help: "The column that is learnt, or several, by names or numbers from 0"),
      window: section.int("window", nil, in: extents, help: "Steps of a sample"),
      horizon: section.int(
        "horizon", usual.horizon, in: extents, help: "How many steps behind a window its target stands; 1: the next"),
      stride: section.int(
        "stride", usual.stride, in: extents, help: "Steps between the beginnings of windows"),
      testSplit: section.number(
        "test_split", usual.testSplit, in: 0.01...0.9, help: "The share of steps, the last, that are the test"),
      hasHeader: header(section), delimiter: delimiter(section),
      isNormalized: section.bool(
        "normalize", usual.isNormalized,
        help: "Whether columns get mean 0 and deviation 1 over the training part; not targets"))
  }

  /// The column that names pictures, if one does, and what is done to these.
  private static func pictures(_ section: SectionReader) -> CSVFile.Pictures? {
    guard
      let column = section.optionalWord(
        "images", help: "The column that names pictures, by paths relative to the table: the field images")
    else {
      if section.problems.isDescribing {
        _ = (section.optionalPair("image_size", help: imageSizeHelp), channels(section), fit(section), check(section))
      }
      return nil
    }
    let size = section.pair("image_size", nil, help: imageSizeHelp)
    return CSVFile.Pictures(
      column: column, height: size.height, width: size.width, channels: channels(section), fit: fit(section),
      check: check(section))
  }

  private static func fit(_ section: SectionReader) -> Image.Fit {
    section.choice(
      "fit", "stretch", Image.Fit.allCases.map { ($0.rawValue, $0) },
      help: "How an image of another shape gets that size: stretched, cut to it, or with zeros around it")
  }

  private static func channels(_ section: SectionReader) -> Int {
    section.choice("channels", "3", [("1", 1), ("3", 3)], help: "1: gray, 3: colour")
  }

  private static func check(_ section: SectionReader) -> ImageCheck.Extent {
    section.choice(
      "check", "quick", ImageCheck.Extent.allCases.map { ($0.rawValue, $0) },
      help: "What is looked at before the first step: headers, all images, or none")
  }

  /// One column or a list of them, which are the field `labels`; or a mapping of columns, each a field of its own.
  private static func learnt(_ section: SectionReader) -> [CSVFile.Target] {
    let words: [(String, CSVFile.LabelKind)] = [("classes", .classes), ("values", .values)]
    if let given = section.take("label"), given.mapping != nil {
      let learnt = section.section("label", help: labelHelp) { reader in
        reader.keys.map { CSVFile.Target($0, reader.choice($0, nil, words, help: "")) }
      }
      if learnt.isEmpty { section.problems.add("\(section.full("label")) must name a column", at: given) }
      return learnt
    }
    let labels = section.texts("label", nil, help: labelHelp)
    let each = SchemaPart(
      json: ["type": "object", "additionalProperties": SchemaPart.choice(words.map(\.0), nil).json, "minProperties": 1])
    section.describe("label", isRequired: true, help: labelHelp, .any([.text(nil), .list(of: .text(nil)), each]))
    return [
      CSVFile.Target(
        Field.labels, columns: labels,
        section.choice("targets", "classes", words, help: "Whether labels are classes or numbers"))
    ]
  }

  /// What columns are that are no numbers: `columns: {id: ignored, colour: one_hot, size: {ordinal: [small, large]}}`.
  private static func columns(_ section: SectionReader) -> [String: CSVFile.Reading] {
    let words: [(String, CSVFile.Reading)] = [
      ("ignored", .ignored), ("one_hot", .oneHot()), ("ordinal", .ordinal()), ("tokens", .tokens),
      ("text", .text),
    ]
    let lists: [(String, ([String]) -> CSVFile.Reading)] = [
      ("one_hot", { .oneHot($0) }), ("ordinal", { .ordinal($0) }),
    ]
    let list: [String: Any] = [
      "type": "object", "minProperties": 1, "maxProperties": 1, "propertyNames": ["enum": lists.map(\.0)],
      "additionalProperties": SchemaPart.any([.text(nil), .list(of: .text(nil))]).json,
    ]
    var part = SchemaPart.choice(words.map(\.0), nil, meanings: readingHelp)
    part.json = ["type": "object", "additionalProperties": ["anyOf": [part.json, list]]]
    section.describe("columns", help: columnsHelp, part)
    guard !section.problems.isDescribing, section.take("columns") != nil else { return [:] }
    return section.section("columns", help: columnsHelp) { reader in
      var columns: [String: CSVFile.Reading] = [:]
      for column in reader.keys {
        guard let given = reader.take(column), given.mapping != nil else {
          columns[column] = reader.choice(column, nil, words, help: "")
          continue
        }
        let listed = reader.section(column, help: "") { nested in
          lists.compactMap { word, make in nested.optionalTexts(word, help: "").flatMap { $0.isEmpty ? nil : make($0) }
          }
        }
        if listed.count == 1 {
          columns[column] = listed[0]
        } else {
          section.problems.add("\(reader.full(column)) must have one list of words: one_hot or ordinal", at: given)
        }
      }
      return columns
    }
  }

  private static let masksHelp =
    "Which steps are real: true, by the lengths that fields have; {tokens: lengths}, by lengths or a number a step; else all"

  /// What says which steps of a field are valid: `masks: true`, or `masks: {tokens: lengths}`.
  private static func masks(_ section: SectionReader) -> Configuration.Data.Masks {
    section.describe("masks", help: masksHelp, .any([.truth, .words]))
    guard !section.problems.isDescribing, let given = section.take("masks") else { return .named([:]) }
    if let asks = given.bool {
      section.record("masks", Node("\(asks)", Tag(.bool)))
      return asks ? .lengths : .named([:])
    }
    return section.section("masks", help: masksHelp) { reader in
      .named(Dictionary(reader.keys.map { ($0, reader.text($0, nil, help: "")) }) { first, _ in first })
    }
  }

  private static func testSplit(_ section: SectionReader, _ fallback: Double) -> Double {
    section.number("test_split", fallback, in: 0.01...0.9, help: "The share of samples that are the test")
  }
}

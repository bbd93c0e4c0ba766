import SwitchbackDatasets

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
      prefetch: section.choice(
        "prefetch", "auto", [("auto", nil), ("true", true), ("false", false)],
        help: "Whether the next batch is read while a step runs; auto: of files"))
  }

  private static func source(_ section: SectionReader) -> DatasetSource {
    // A wrong word is read as the first of these, which asks for no other key.
    let words = NamedDataset.all.map(\.name) + ["image-folder", "csv"]
    return
      switch section.choice(
        "dataset", nil, isSelector: true, words.map { ($0, $0) },
        help: "A data set by its name, or what kind of files it is")
    {
    case "image-folder": .imageFolder(imageFolder(section))
    case "csv": .csv(csv(section))
    case let name:
      .named(
        name,
        path: section.optionalText("path", help: "Where its files are, instead of where switchback data fetches them"))
    }
  }

  private static func imageFolder(_ section: SectionReader) -> ImageFolder {
    let size = section.pair("image_size", nil, help: "Height and width that every image is resized to")
    return ImageFolder(
      path: section.text("path", nil, help: "The folder: train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png"),
      height: size.height, width: size.width,
      channels: section.choice("channels", "3", [("1", 1), ("3", 3)], help: "1: gray, 3: colour"),
      testSplit: testSplit(section),
      check: section.choice(
        "check", "quick", ImageCheck.Extent.allCases.map { ($0.rawValue, $0) },
        help: "What is looked at before the first step: headers, all images, or none"))
  }

  private static func csv(_ section: SectionReader) -> CSVFile {
    CSVFile(
      path: section.text("path", nil, help: "The file"),
      labels: section.texts(
        "label", nil, help: "The column that is to be predicted, by its name or number from 0, or several"),
      targets: section.choice(
        "targets", "classes", [("classes", .classes), ("values", .values)],
        help: "Whether labels are classes or numbers"),
      testSplit: testSplit(section),
      hasHeader: section.bool("header", true, help: "Whether the first row names the columns"),
      delimiter: section.choice(
        "delimiter", ",",
        [(",", UInt8(ascii: ",")), (";", UInt8(ascii: ";")), ("tab", 9), ("|", UInt8(ascii: "|"))],
        help: "What stands between cells"),
      isNormalized: section.bool(
        "normalize", false, help: "Whether features get mean 0 and deviation 1 over the training rows"))
  }

  private static func testSplit(_ section: SectionReader) -> Double {
    section.number("test_split", 0.2, in: 0.01...0.9, help: "The share of samples that are the test")
  }
}

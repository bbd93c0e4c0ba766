import SwitchbackDatasets

/// Reads the section `data`.
enum DataReader {
  static func data(_ section: SectionReader) -> Configuration.Data {
    let source = source(section)
    let isNamed = if case .named = source { true } else { false }
    return Configuration.Data(
      source: source, validationSplit: section.number("validation_split", 0, in: 0...0.9),
      splitSeed: isNamed ? section.int("split_seed", 0) : 0,
      prefetch: section.choice("prefetch", "auto", [("auto", nil), ("true", true), ("false", false)]))
  }

  private static func source(_ section: SectionReader) -> DatasetSource {
    // A wrong word is read as the first of these, which asks for no other key.
    let words = NamedDataset.all.map(\.name) + ["image-folder", "csv"]
    return switch section.choice("dataset", nil, isSelector: true, words.map { ($0, $0) }) {
    case "image-folder": .imageFolder(imageFolder(section))
    case "csv": .csv(csv(section))
    case let name: .named(name, path: section.optionalText("path"))
    }
  }

  private static func imageFolder(_ section: SectionReader) -> ImageFolder {
    let size = section.pair("image_size", nil)
    return ImageFolder(
      path: section.text("path", nil), height: size.height, width: size.width,
      channels: section.choice("channels", "3", [("1", 1), ("3", 3)]), testSplit: testSplit(section),
      check: section.choice("check", "quick", ImageCheck.Extent.allCases.map { ($0.rawValue, $0) }))
  }

  private static func csv(_ section: SectionReader) -> CSVFile {
    CSVFile(
      path: section.text("path", nil),
      labels: section.texts("label", nil),
      targets: section.choice("targets", "classes", [("classes", .classes), ("values", .values)]),
      testSplit: testSplit(section), hasHeader: section.bool("header", true),
      delimiter: section.choice(
        "delimiter", ",",
        [(",", UInt8(ascii: ",")), (";", UInt8(ascii: ";")), ("tab", 9), ("|", UInt8(ascii: "|"))]),
      isNormalized: section.bool("normalize", false))
  }

  private static func testSplit(_ section: SectionReader) -> Double {
    section.number("test_split", 0.2, in: 0.01...0.9)
  }
}

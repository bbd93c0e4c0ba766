import SwitchbackDatasets

/// Reads the section `data`.
enum DataReader {
  static func data(_ section: SectionReader) -> Configuration.Data {
    Configuration.Data(source: source(section), validationSplit: section.number("validation_split", 0, in: 0...0.9))
  }

  private static func source(_ section: SectionReader) -> DatasetSource {
    .named(section.text("dataset", nil), path: section.optionalText("path"))
  }
}

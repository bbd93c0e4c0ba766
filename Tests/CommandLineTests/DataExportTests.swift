import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

@Suite(.enabled(if: Image.readsCompressedFiles, "built without ImageFiles")) struct DataExportTests {
  /// A configuration with this section of data, on which `config check` and `data check` go.
  private func configuration(_ folder: String) throws -> String {
    let text = """
      version: 1
      model:
        layers: [flatten, {dense: {units: 10, activation: softmax}}]
      data:
        dataset: csv
        path: \(folder)/samples.csv
        images: file
        image_size: [28, 28]
        channels: 1
        label: {digit: classes, ink: values}
        normalize: true
      training:
        optimizer: {type: sgd, learning_rate: 0.1}
      """
    return try write(text.utf8, to: temporaryFolder() + "/two.yaml")
  }

  @Test("a data set is written as pictures with a table that data check reads; nothing is overwritten")
  func export() throws {
    let folder = temporary()
    let outcome = try switchback(
      "data", "export", "mnist", folder + "/", "--data", sampleFolder, "--count", "60", "--json")
    #expect(outcome.status == 0 && outcome.error.isEmpty, "\(outcome.error)")
    let result = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect(result["samples"] as? Int == 120 && result["table"] as? String == folder + "/samples.csv")
    #expect(result["columns"] as? [String] == ["file", "digit", "ink", "width", "height"])
    let config = try configuration(folder)
    let check = try switchback("data", "check", config)
    #expect(check.status == 0 && check.output.hasPrefix("✓ csv  \(folder)/samples.csv\n"), "\(check.error)")
    #expect(check.output.contains("digit 7"), "\(check.output)")
    let again = try switchback("data", "export", "mnist", folder, "--data", sampleFolder)
    #expect(
      again.status == 73 && again.error.contains("\(folder) has files (samples.csv and 2 more)"), "\(again.error)")
    let file = try switchback("data", "export", "mnist", folder + "/samples.csv", "--data", sampleFolder)
    #expect(file.status == 73 && file.error.contains("samples.csv cannot be made: Not a directory"), "\(file.error)")
    let none = try switchback("data", "export", "mnist", temporary(), "--data", sampleFolder, "--count", "0")
    #expect(none.status == 64 && none.error.contains("--count must be at least 1"), "\(none.error)")
    try FileManager.default.removeItem(atPath: folder + "/test/00007.png")
    let broken = try switchback("data", "check", config)
    #expect(broken.status == 65, "\(broken.error)")
    #expect(broken.error.contains("\(folder)/samples.csv:69:1 (column file): \(folder)/test/00007.png: No such file"))
  }

  @Test("one part, into an empty folder that is there")
  func part() throws {
    let folder = try temporaryFolder("empty")
    let outcome = try switchback(
      "data", "export", "mnist", folder, "--data", sampleFolder, "--count", "3", "--part", "test")
    #expect(outcome.status == 0 && outcome.output.contains("✓ mnist  3 pictures  \(folder)/samples.csv"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["samples.csv", "test"])
    #expect(try String(contentsOfFile: folder + "/samples.csv", encoding: .utf8).split(separator: "\n").count == 4)
  }
}

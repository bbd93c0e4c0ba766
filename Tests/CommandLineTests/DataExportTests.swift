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

  @Test("an export that fails or is interrupted takes away what it wrote, and what was there stays")
  func interrupted() throws {
    let (folder, empty) = (temporary(), try temporaryFolder("empty"))
    let arguments = ["data", "export", "mnist", folder, "--data", sampleFolder, "--count", "60"]
    // The pictures are small enough, the table is not.
    let full = try shell("ulimit -f 2; trap '' XFSZ; exec \"$@\"", ["sh", binary] + arguments)
    #expect(full.status == 74 && full.error.contains("\(folder)/samples.csv cannot be written"), "\(full.error)")
    #expect(full.error.contains("the 120 pictures that were written are removed again"), "\(full.error)")
    #expect(!FileManager.default.fileExists(atPath: folder))
    // A signal that waits when the program begins.
    let signal =
      "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [2]); os.kill(os.getpid(), 2); "
      + "os.execv(sys.argv[1], sys.argv[1:])"
    let (python, name) = ("/usr/bin/env", "python3")
    let stopped = try run(
      python, [name, "-c", signal, binary, "data", "export", "mnist", empty, "--data", sampleFolder], [:])
    #expect(stopped.status == 130 && stopped.error.contains("the picture that was written is removed"), "\(stopped)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: empty).isEmpty)
  }

  @Test("what a killed export has left is taken away by the next, but not where other files lie beside it")
  func leftBehind() throws {
    let folder = try temporaryFolder("left")
    let arguments = ["data", "export", "mnist", folder, "--data", sampleFolder, "--count", "3", "--part", "test"]
    for name in [".unfinished-export", "train/00000.png", "train/00001.png", "samples.csv.partial-17"] {
      try write("x".utf8, to: "\(folder)/\(name)")
    }
    try write("mine".utf8, to: folder + "/train/holiday.png")
    let mine = try switchback(arguments)
    #expect(mine.status == 73 && mine.error.contains("has files (train/holiday.png)"), "\(mine.error)")
    #expect(FileManager.default.fileExists(atPath: folder + "/train/00001.png"))
    try FileManager.default.removeItem(atPath: folder + "/train/holiday.png")
    let again = try switchback(arguments)
    #expect(again.status == 0 && again.error.contains("held an unfinished export: its 3 files are removed"), "\(again)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["samples.csv", "test"])
    // Without the mark the same names are somebody's own.
    let own = try temporaryFolder("own")
    try write("x".utf8, to: own + "/train/00000.png")
    let kept = try switchback("data", "export", "mnist", own, "--data", sampleFolder)
    #expect(kept.status == 73 && kept.error.contains("has files (train)"), "\(kept.error)")
  }
}

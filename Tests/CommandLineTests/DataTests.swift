import Foundation
import SwitchbackDatasets
import TestFiles
import Testing

/// `key` of a run's summary.
private func summary(_ runs: String, _ key: String) throws -> Double? {
  let data = try Data(contentsOf: URL(fileURLWithPath: runs + "/latest/summary.json"))
  return try (JSONSerialization.jsonObject(with: data) as? [String: Any])?[key] as? Double
}

@Suite(.enabled(if: Image.readsCompressedFiles, "built without ImageFiles")) struct DataTests {
  @Test("a folder of PNGs trains with the shipped configuration, and evaluates to the same accuracy")
  func imageFolder() throws {
    let (folder, runs) = (try temporaryFolder("digits"), temporary())
    try writeImages(to: folder + "/train", count: 512)
    try writeImages(to: folder + "/test", train: false, count: 128)
    let outcome = try switchback(
      "train", "configs/image-folder.yaml", "--data", folder, "--runs", runs, "--epochs", "4", "--backend", "reference")
    #expect(outcome.status == 0, "\(outcome.error)")
    let accuracy = try #require(try summary(runs, "testAccuracy"))
    #expect(accuracy > 0.7)
    let evaluation = try switchback("evaluate", runs + "/latest", "--json")
    #expect(evaluation.output.contains("\"testAccuracy\":\(accuracy)"), "\(evaluation.output)\(evaluation.error)")
  }

  @Test("more classes than outputs end with 78 and the layer's line, a damaged image with 65")
  func brokenImageFolder() throws {
    let folder = try temporaryFolder("digits")
    try writeImages(to: folder, count: 100)
    let few = try switchback(
      "train", "configs/image-folder.yaml", "--data", folder, "--runs", temporary(), "--set",
      "model.layers.6.dense.units=4", "--backend", "reference")
    #expect(few.status == 78 && few.error.contains("image-folder.yaml:14:7: model.layers.6.dense: "), "\(few.error)")
    #expect(few.error.contains("10 classes, and the network ends with 4 outputs"))
    for label in 0...9 {
      for file in try FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(label)") {
        try write([0x89, 0x50, 0x4e, 0x47, 0], to: "\(folder)/\(label)/\(file)")
      }
    }
    let broken = try switchback(
      "train", "configs/image-folder.yaml", "--data", folder, "--runs", temporary(), "--backend", "reference")
    #expect(broken.status == 65)
    #expect(broken.error.contains(folder + "/") && broken.error.contains("cannot be read as PNG"), "\(broken.error)")
  }

  /// Two features around three centres; with `hasNumbers` the target is their sum.
  private func table(hasNumbers: Bool = false) throws -> String {
    var text = "id,\"x, first\",y,class\n"
    for n in 0..<300 {
      let (x, y) = (Double(n % 3) * 50 + Double(n * 7 % 13), Double(n % 3 == 1 ? 90 : 10) + Double(n * 11 % 17))
      text += "\(n % 7),\(x),\"\(y)\",\(hasNumbers ? "\((x + y) / 100)" : ["red", "green", "\"deep blue\""][n % 3])\n"
    }
    return try write(text.utf8, to: temporaryFolder() + "/table.csv")
  }

  @Test("a table trains with the shipped configuration to classes")
  func csvClasses() throws {
    let runs = temporary()
    let outcome = try switchback(
      "train", "configs/csv.yaml", "--data", try table(), "--runs", runs, "--backend", "reference", "--set",
      "data.validation_split=0.1")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(!outcome.error.contains("validated on the test set"))
    #expect(try #require(try summary(runs, "testAccuracy")) > 0.95)
  }

  @Test("a table trains to numbers: no accuracy is reported, nowhere")
  func csvValues() throws {
    let runs = temporary()
    let outcome = try switchback(
      "train", "configs/csv.yaml", "--data", try table(hasNumbers: true), "--runs", runs, "--backend", "reference",
      "--set", "data.targets=values", "--set", "data.label=class", "--set", "training.loss=mean_squared_error", "--set",
      "model.layers.2.dense={units: 1}")
    #expect(outcome.status == 0, "\(outcome.error)")
    #expect(try summary(runs, "testAccuracy") == nil)
    #expect(try #require(try summary(runs, "testLoss")) < 0.05)
    #expect(outcome.output.hasPrefix("test loss "), "\(outcome.output)")
    let metrics = try String(contentsOfFile: runs + "/latest/metrics.jsonl", encoding: .utf8)
    #expect(!metrics.lowercased().contains("accuracy"))
    let evaluation = try switchback("evaluate", runs + "/latest")
    #expect(evaluation.output.hasPrefix("test loss "), "\(evaluation.output)\(evaluation.error)")
  }

  @Test("mistakes in the section data are said, with the known words")
  func badData() throws {
    let outcome = try switchback(
      "config", "check", "configs/csv.yaml", "--set", "data.delimiter=x", "--set", "data.imagesize=3", "--set",
      "data.test_split=2")
    #expect(outcome.status == 78)
    #expect(outcome.error.contains("3 problems"), "\(outcome.error)")
    let name = try switchback("config", "check", "configs/mnist-mlp.yaml", "--set", "data.dataset=minst")
    #expect(name.status == 78)
    #expect(name.error.contains("did you mean mnist?"), "\(name.error)")
    let size = try switchback("config", "check", "configs/image-folder.yaml", "--set", "data.image_size=[0]")
    #expect(size.error.contains("data.image_size"))
  }
}

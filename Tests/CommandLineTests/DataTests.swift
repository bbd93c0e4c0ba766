import Foundation
import TestFiles
import Testing

/// `key` of a run's summary.
private func summary(_ runs: String, _ key: String) throws -> Double? {
  let data = try Data(contentsOf: URL(fileURLWithPath: runs + "/latest/summary.json"))
  return try (JSONSerialization.jsonObject(with: data) as? [String: Any])?[key] as? Double
}

@Suite struct DataTests {
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

  @Test("more classes than outputs, and a damaged image, end with 65")
  func brokenImageFolder() throws {
    let folder = try temporaryFolder("digits")
    try writeImages(to: folder, count: 100)
    let few = try switchback(
      "train", "configs/image-folder.yaml", "--data", folder, "--runs", temporary(), "--set",
      "model.layers.6.dense.units=4", "--backend", "reference")
    #expect(few.status == 65, "\(few.error)")
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
}

import Foundation
import Switchback
import TestFiles
import Testing

/// A folder of images that are as wide as two.
@Suite struct FitTests {
  private func pixels(_ name: String, _ number: Int) -> [UInt8] {
    // Only the left half of one class is bright, only the right half of the other.
    (0..<32).map { ($0 % 8 < 4) == (name == "left") ? UInt8(150 + 5 * number) : UInt8(number) }
  }

  private func configuration() throws -> String {
    let folder = try temporaryFolder("wide")
    for name in ["left", "right"] {
      for number in 0..<16 {
        try write(Array("P5 8 4 255\n".utf8) + pixels(name, number), to: "\(folder)/\(name)/\(number).pgm")
      }
    }
    return try write(
      """
      version: 1
      backend: reference
      model: {layers: [flatten, {dense: {units: 2, activation: softmax}}]}
      data: {dataset: image-folder, path: \(folder), image_size: [4, 4], channels: 1, fit: pad}
      training: {epochs: 2, batch_size: 8, optimizer: {type: sgd, learning_rate: 0.1}}
      """.utf8, to: temporaryFolder() + "/fit.yaml")
  }

  @Test("a run keeps that its pictures are bytes and how they are fitted; evaluating, predicting and resuming go by it")
  func runs() throws {
    let runs = temporary()
    let trained = try switchback("train", try configuration(), "--runs", runs)
    try #require(trained.status == 0, "\(trained.error)")
    let run = runs + "/latest"
    let record = try jsonObject(run + "/data.json")
    #expect(record["elementType"] as? String == "u8" && record["fit"] as? String == "pad")
    let evaluated = try switchback("evaluate", run, "--json")
    #expect(evaluated.status == 0, "\(evaluated.error)")
    let model = try TrainedModel(
      run: run,
      on: try BackendChain(
        ["reference"], registry: BackendRegistry(linked: [ReferenceBackend()]), host: HostServices(workers: 1)))
    #expect(model.samples.inputs[0].fit == .pad && model.samples.inputs[0].elementType == .uint8)
    // Two rows of the picture's means, between a row of zeros on either side.
    let file = try write(
      Array("P5 8 4 255\n".utf8) + pixels("left", 3), to: try temporaryFolder() + "/left.pgm")
    let seen = [UInt8](repeating: 0, count: 4) + [165, 165, 3, 3, 165, 165, 3, 3] + [UInt8](repeating: 0, count: 4)
    let answer = try #require(try model.predict(fields: ["images": .bytes(seen)]).values.first)
    #expect(try model.predict(try Image(path: file)) == answer)
    let best = try #require(answer.best)
    let said = try switchback("predict", run, file, "--json")
    #expect(said.output.contains("{\"name\":\"\(best.name)\",\"probability\":\(best.score)}"), "\(said.output)")
    let inverted = try switchback("predict", run, file, "--invert", "--json")
    #expect(inverted.status == 0 && inverted.output != said.output, "\(inverted.error)")
    // What is around the picture is zeros all the same.
    let turned =
      [UInt8](repeating: 0, count: 4) + [90, 90, 252, 252, 90, 90, 252, 252] + [UInt8](repeating: 0, count: 4)
    let other = try #require(try model.predict(fields: ["images": .bytes(turned)]).values.first?.best)
    #expect(
      inverted.output.contains("{\"name\":\"\(other.name)\",\"probability\":\(other.score)}"), "\(inverted.output)")
    // Other pictures are other data.
    let refused = try switchback("train", "--resume", run, "--epochs", "3", "--set", "data.fit=crop")
    #expect(refused.status == 65 && refused.error.contains("data.fit: crop, not pad"), "\(refused.error)")
    let resumed = try switchback("train", "--resume", run, "--epochs", "3")
    #expect(resumed.status == 0, "\(resumed.error)")
    #expect(try jsonObject(run + "/data.json")["fit"] as? String == "pad")
  }

  @Test("a step of a configuration reads bytes, which its program casts and scales")
  func program() throws {
    let shown = try switchback("inspect", try configuration(), "--program")
    #expect(shown.status == 0, "\(shown.error)")
    #expect(shown.output.contains("images u8[8,4,4,1]") && shown.output.contains("= cast("), "\(shown.output)")
  }
}

import Foundation
import SwitchbackTraining
import Testing

private let valid = """
  version: 1
  model:
    layers:
      - flatten
      - dense: {units: 10, activation: softmax}
  data:
    dataset: mnist
  training:
    optimizer: {type: sgd, learning_rate: 0.1}
  """

private func problems(_ text: String, _ overrides: [String] = []) -> [String] {
  do {
    _ = try Configuration(text: text, file: "test.yaml", overrides: overrides)
    return []
  } catch {
    return error.problems.map(\.description)
  }
}

@Suite struct ConfigurationTests {
  @Test("every shipped configuration is valid, and its resolved form reads back to itself")
  func shipped() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: root + "/configs").filter { $0.hasSuffix(".yaml") }
    #expect(files.count >= 6)
    for file in files {
      let configuration = try Configuration(file: root + "/configs/" + file)
      let again = try Configuration(text: configuration.resolvedText, file: file)
      #expect(again.resolvedText == configuration.resolvedText)
    }
  }

  @Test(
    "a mistake is said with its place and what to write instead",
    arguments: [
      (
        "learning_rate: 0.1", "lr: 0.1",
        "test.yaml:9:26: training.optimizer.lr is not a key here: it is called training.optimizer.learning_rate (PyTorch's lr)"
      ),
      ("units: 10", "unit: 10", "did you mean units?"),
      ("units: 10", "units: ten", "model.layers.1.dense.units must be a positive whole number, not \"ten\""),
      ("softmax", "sofmax", "did you mean softmax?"),
      ("type: sgd", "type: sdg", "did you mean sgd?"),
      ("- flatten", "- flaten", "did you mean flatten?"),
      ("version: 1", "version: 2", "version must be a whole number from 1 to 1"),
      ("dataset: mnist", "dataset: mnist\n  dataset: cifar", "given twice"),
      ("units: 10, ", "", "units is missing"),
      ("training:", "trainig:", "did you mean training?"),
    ])
  func mistakes(old: String, new: String, words: String) {
    let found = problems(valid.replacingOccurrences(of: old, with: new))
    #expect(found.contains { $0.contains(words) }, "\(found)")
  }

  @Test("all problems are said at once")
  func allAtOnce() {
    let text = valid.replacingOccurrences(of: "units: 10", with: "units: -1").replacingOccurrences(
      of: "sgd", with: "xyz")
    #expect(problems(text + "\n  epochs: none\nmoniter: {}\n").count == 4)
  }

  @Test("overrides reach keys, list elements and short forms; their mistakes name the command line")
  func overrides() throws {
    let configuration = try Configuration(
      text: valid, file: "test.yaml",
      overrides: [
        "training.epochs=3", "model.layers.1.dense.units=7", "backend=reference", "training.optimizer.momentum=0.9",
      ])
    #expect(configuration.training.epochs == 3)
    #expect(configuration.backend.name == "reference")
    #expect(configuration.resolvedText.contains("units: 7"))
    #expect(
      problems(valid, ["training.epoch=3"]).first?.hasPrefix("command line: training.epoch is not a key here") == true)
    #expect(problems(valid, ["model.layers.9.dense.units=3"]).first?.contains("no element 9") == true)
    #expect(problems(valid, ["nonsense"]).first?.contains("no override") == true)
  }

  @Test("random damage to a file gives problems, never a crash", arguments: 0..<60)
  func fuzz(seed: Int) {
    var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 &+ 1
    var bytes = Array(valid.utf8)
    for _ in 0..<4 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      bytes[Int(state >> 33) % bytes.count] = Array(" :{}[]-#&*!|>'\"%@`0aZ\n".utf8)[Int(state >> 20) % 22]
    }
    _ = problems(String(decoding: bytes, as: UTF8.self))
  }
}

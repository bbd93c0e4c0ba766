import Foundation
import SwitchbackBackendKit
import SwitchbackReference
import SwitchbackTraining
import Testing

/// Ninety rows of two numbers and one of three kinds.
private let table = "x,y,kind\n" + (0..<90).map { "\($0),\($0 % 7),\(["a", "b", "c"][$0 % 3])\n" }.joined()

@Suite("What train would find before its first step")
struct ConfigurationCheckTests {
  private func check(_ text: String, _ overrides: [String] = []) throws -> ConfigurationCheck {
    ConfigurationCheck(
      try Configuration(text: text, file: "test.yaml", overrides: overrides),
      registry: BackendRegistry(linked: [ReferenceBackend()], folders: []), host: try HostServices(workers: 1))
  }

  /// A configuration on the table at a path.
  private func text(_ path: String) -> String {
    """
    version: 1
    model:
      layers:
        - dense: {units: 4, activation: relu}
        - dense: {units: 3, activation: softmax}
    data:
      dataset: csv
      path: \(path)
      label: kind
    training:
      optimizer: sgd
    backend:
      name: reference
      fallback: []
    """
  }

  private func written() throws -> String {
    let folder = temporaryRun()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try table.write(toFile: folder + "/table.csv", atomically: true, encoding: .utf8)
    return folder + "/table.csv"
  }

  @Test("what is right has neither problems nor warnings, and nothing is written")
  func right() throws {
    let path = try written()
    let found = try check(text(path))
    #expect(found.problems.isEmpty && found.warnings.isEmpty, "\(found)")
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["table.csv"])
  }

  @Test("each problem has its line, and those of backend, data, weights and network are said together")
  func together() throws {
    let wrong = text("/nowhere/table.csv").replacing("name: reference", with: "name: referense")
      .replacing("training:", with: "training:\n  watch: accurracy").replacing(
        "model:", with: "model:\n  from: /no/run")
    let found = try check(wrong).problems.map(\.description)
    #expect(found.count == 3, "\(found)")
    #expect(
      found.contains {
        $0.hasPrefix("test.yaml:15:9: backend.name: there is no backend called referense; did you mean reference?")
      }, "\(found)")
    #expect(found.contains { $0.hasPrefix("test.yaml:9:9: data: ") && $0.contains("/nowhere/table.csv") }, "\(found)")
    #expect(found.contains { $0.hasPrefix("test.yaml:3:9: model.from: ") && $0.contains("/no/run") }, "\(found)")
    // With the data the network is looked at too.
    let path = try written()
    let there = try check(wrong, ["data.path=\(path)"]).problems.map(\.description)
    #expect(there.count == 3, "\(there)")
    #expect(there.contains { $0.contains("training.watch: there is no column accurracy; did you mean accuracy?") })
  }

  @Test("a relative path that is not there is said with the folder that it was looked for in")
  func relative() throws {
    let found = try check(text("nowhere/table.csv")).problems.map(\.description)
    let folder = FileManager.default.currentDirectoryPath
    #expect(
      found.contains { $0.contains("nowhere/table.csv: No such file or directory (looked for in \(folder))") },
      "\(found)")
    #expect(try !check(text("/nowhere/table.csv")).problems.contains { $0.description.contains("looked for in") })
  }

  @Test("units that do not fit the classes are found where the data says its classes")
  func units() throws {
    let wrong = text(try written()).replacing("units: 3", with: "units: 2")
    let found = try check(wrong).problems.map(\.description)
    #expect(found.count == 1)
    #expect(found.first?.hasPrefix("test.yaml:5:") == true, "\(found)")
    #expect(found.first?.contains("the data has 3 classes, and the network ends with 2 outputs") == true, "\(found)")
  }

  @Test("a backend of another machine is a warning; options that a backend does not know are problems")
  func backends() throws {
    let path = try written()
    let other = try check(text(path), ["backend.name=photonic"])
    #expect(other.problems.isEmpty)
    #expect(other.warnings.contains { $0.contains("not on this machine: there is no backend called photonic") })
    let option = try check(text(path), ["backend.reference.forse=true"])
    #expect(option.problems.contains { $0.message.contains("no option forse") }, "\(option.problems)")
    #expect(try check(text(path), ["backend.fallback=[openblass]"]).problems.count == 1)
  }

  @Test("an epoch without a batch, and what only the whole step says")
  func whole() throws {
    let path = try written()
    let dropped = try check(text(path), ["training.batch_size=4096", "training.last_batch=drop"])
    #expect(dropped.problems.contains { $0.message.contains("drop leaves no batch") }, "\(dropped.problems)")
    let frozen = try check(
      text(path), ["model.layers.0.dense.trainable=false", "model.layers.1.dense.trainable=false"])
    #expect(frozen.problems.contains { $0.message.contains("the model has no weights to train") }, "\(frozen.problems)")
    let early = ["training.batch_size=4", "training.optimizer={type: sgd, gradient_accumulation_steps: 8}"]
    let short = try check(text(path), early + ["training.steps=7"]).problems.map(\.description)
    #expect(short.count == 1, "\(short)")
    #expect(short.first?.contains("training.steps 7 ends the run before its first update, which is after 8") == true)
    #expect(try check(text(path), early + ["training.steps=8"]).problems.isEmpty)
    let logits = try check(text(path), ["model.layers.1.dense={units: 3}"])
    #expect(logits.problems.isEmpty && logits.warnings.contains { $0.contains("they come from no softmax") })
  }

  @Test("a token that an embedding does not know has the embedding's line; the largest that it knows is right")
  func tokens() throws {
    let path = try written()
    let rows = "words,kind\n" + (0..<90).map { "\($0 % 9) 1,\(["a", "b", "c"][$0 % 3])\n" }.joined()
    try rows.write(toFile: path, atomically: true, encoding: .utf8)
    func found(_ count: Int) throws -> ConfigurationCheck {
      try check(
        text(path).replacing(
          "dense: {units: 4, activation: relu}", with: "embedding: {input_dim: \(count), output_dim: 2}"
        )
        .replacing("    - dense: {units: 3", with: "    - flatten\n    - dense: {units: 3")
        .replacing("label: kind", with: "label: kind\n  columns: {words: tokens}"))
    }
    let known = try found(9)
    #expect(known.problems.isEmpty && known.warnings.isEmpty, "\(known)")
    let problems = try found(8).problems.map(\.description)
    #expect(problems.count == 1 && problems[0].hasPrefix("test.yaml:4:"), "\(problems)")
    #expect(
      problems.first?.contains(
        "model.layers.0.embedding: the field words has the token 8, and layers.0.embedding knows those from 0 to 7: "
          + "set its input_dim to 9 or more") == true, "\(problems)")
  }

  @Test("outputs for more classes than there are is a warning, as train says it")
  func fewerClasses() throws {
    let found = try check(text(try written()).replacing("units: 3", with: "units: 5"))
    #expect(found.problems.isEmpty)
    #expect(found.warnings == ["the data has 3 classes (a, b, c), and the network ends with outputs for 5"])
  }
}

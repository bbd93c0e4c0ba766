import Foundation
import TestFiles
import Testing

/// A partial backend that fuses is proved as it is used: with the reference behind it, and with nobody looking.
@Suite struct FusingBackendTests {
  private let source = "Tests/FusingBackend/fusing_backend.c"

  private func conformance(_ library: String, _ more: [String]) throws -> Outcome {
    try switchback(
      ["conformance", "--backend", library, "--quick", "--skip", "contract", "--failures", temporary()] + more
    )
  }

  @Test("the right one passes, with chains of its own that fuse")
  func right() throws {
    let outcome = try conformance(try compilePlugin(source), ["--json"])
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.error)")
    let result = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let families = try #require(result["families"] as? [[String: Any]])
    let segments = try #require(families.first { $0["family"] as? String == "segments" })
    // It takes nothing of the gradients of a convolution (strided, with special values or without, or checked), of a
    // checked gradient of a bias, and of an average that moves.
    #expect(segments["passed"] as? Int ?? 0 > 40 && segments["declined"] as? Int == 6, "\(segments)")
  }

  @Test(
    "each fault of fusion is found by its name, and again from its file",
    arguments: [
      (1, "binary add", ["segments product"]), (2, "matmul", ["segments product"]), (3, "matmul", ["matmul"]),
      (4, "matmul", ["segments product"]), (5, "unary relu", ["segments product"]),
      (7, "unary relu", ["segments product"]), (8, "unary relu", ["segments product"]),
    ] + (runsLongTests ? [(6, "unary relu", ["segments"])] : []))
  func wrong(fault: Int, operation: String, cases: [String]) throws {
    let library = try compilePlugin(source, replacing: [("#define FAULT 0", "#define FAULT \(fault)")])
    let outcome = try conformance(library, cases.flatMap { ["--filter", $0] })
    #expect(outcome.status == 1, "\(outcome.output)\(outcome.error)")
    let lines = outcome.output.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    #expect(lines.contains { $0.hasPrefix("✗ ") && $0.contains(operation) }, "\(outcome.output)")
    let commands = commands(outcome.output)
    #expect(!commands.isEmpty)
    for command in commands {
      let shown = try printed(command)
      #expect(shown.status == 1 && shown.output.contains(" wrong "), "\(command)\n\(shown.output)\(shown.error)")
      let right = try printed(command.replacing(library, with: "reference"))
      #expect(right.status == 0, "\(command)\n\(right.output)\(right.error)")
    }
  }

  @Test("a network that it trains with openblas behind it learns what openblas learns, with the same bits each time")
  func training() throws {
    try skipWithout("openblas")
    let library = try compilePlugin(source)
    let layers =
      "[conv2d: {filters: 17, kernel_size: 3, activation: relu}, max_pooling2d: {pool_size: 2}, flatten, "
      + "dense: {units: 33, activation: relu}, dense: {units: 10, activation: softmax}]"
    func train(_ backend: String) throws -> (weights: [String: [Float]], accuracy: Double) {
      let runs = temporary()
      let outcome = try switchback([
        "train", "configs/mnist-mlp.yaml", "--backend", backend, "--data", "Tests/Samples/mnist", "--runs", runs,
        "--epochs", "4", "--set", "model.layers=\(layers)", "--set", "backend.fallback=[openblas, reference]",
      ])
      try #require(outcome.status == 0, "\(outcome.output)\(outcome.error)")
      let summary = try jsonObject(runs + "/latest/summary.json")
      return (try weights(runs + "/latest"), try #require(summary["testAccuracy"] as? Double))
    }
    let right = try train("openblas")
    let first = try train(library)
    #expect(abs(first.accuracy - right.accuracy) < 0.03, "\(first.accuracy), openblas \(right.accuracy)")
    for _ in 0..<(runsLongTests ? 4 : 1) { #expect(try train(library).weights == first.weights) }
  }
}

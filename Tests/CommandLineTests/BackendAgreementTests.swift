import Foundation
import TestFiles
import Testing

private func objects(_ lines: String) throws -> [[String: Any]] {
  try lines.split(separator: "\n").compactMap {
    try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
  }
}

/// What a run on a backend wrote to a file of its folder, line by line.
private func lines(_ file: String, of config: String, on backend: String, steps: Int) throws -> [[String: Any]] {
  try skipWithout(backend)
  let runs = temporary()
  var arguments = [
    "train", "configs/\(config).yaml", "--backend", backend, "--data", mnistFolder, "--steps", "\(steps)", "--runs",
    runs,
  ]
  if backend == "fft" { arguments += ["--set", "backend.fft.force=true"] }
  let outcome = try switchback(arguments)
  #expect(outcome.status == 0, "\(outcome.error)")
  return try objects(String(contentsOfFile: runs + "/latest/" + file, encoding: .utf8))
}

@Suite(.enabled(if: hasMNIST, "the real MNIST is not beside the checkout"))
struct BackendAgreementTests {
  @Test("every backend trains the MLP alike: 50 losses to 1e-4", arguments: ["openblas", "fft", "opencl", "auto"])
  func freeRunning(backend: String) throws {
    // The last one is the mean of all, though a step may end after the next has begun.
    func losses(_ name: String) throws -> [Double] {
      try lines("metrics.jsonl", of: "mnist-mlp", on: name, steps: 50).compactMap { $0["loss"] as? Double }
    }
    let (found, expected) = (try losses(backend), try losses("reference"))
    #expect(found.count == 51 && expected.count == 51)
    for (found, expected) in zip(found, expected) { #expect(abs(found - expected) <= 1e-4 * expected) }
  }

  @Test(
    "each step of the CNN from the same weights: losses to 1e-5, gradients to 1e-4 but for rare ties",
    arguments: ["openblas", "fft", "opencl", "auto"], runsLongTests ? [1, 2, 3] : [1])
  func lockstep(backend: String, seed: Int) throws {
    try skipWithout(backend)
    // Every configuration is in lockstep for a few steps in ConfigurationAgreementTests.
    let steps = runsLongTests ? 50 : 12
    let outcome = try switchback([
      "diff", "configs/mnist-cnn.yaml", "--backends", "reference,\(backend)", "--steps", "\(steps)",
      "--seed", "\(seed)", "--data", mnistFolder, "--replay", temporary(), "--json",
    ])
    #expect(outcome.status == 0, "\(outcome.error)")
    let rows = try objects(outcome.output).filter { $0["step"] is Int }
    let losses = rows.compactMap { $0["lossDifference"] as? Double }
    let gradients = rows.compactMap { $0["gradientDifference"] as? Double }
    try #require(losses.count == steps && gradients.count == steps)
    #expect(losses.allSatisfy { $0 <= 1e-5 } && gradients.allSatisfy { $0 <= 1e-2 })
    #expect(gradients.filter { $0 <= 1e-4 }.count >= steps * 46 / 50, "\(gradients)")
    #expect(gradients.sorted()[steps / 2] <= 1e-5)
    let learned = try [rows[0], rows[steps - 1]].map { try #require(($0["losses"] as? [Double])?.first) }
    #expect(learned[1] < learned[0])
  }

  @Test(
    "every backend shows where the sigmoids starve, by the same numbers",
    arguments: ["openblas", "fft", "opencl", "auto"])
  func finding(backend: String) throws {
    func finding(_ name: String) throws -> [String: Any] {
      try #require(
        try lines("findings.jsonl", of: "deep-sigmoid-mlp", on: name, steps: 100)
          .first { $0["rule"] as? String == "vanishingGradient" })
    }
    let (found, expected) = (try finding(backend), try finding("reference"))
    #expect(found["step"] as? Int == expected["step"] as? Int)
    #expect(found["layers"] as? [String] == expected["layers"] as? [String])
    let evidence = try #require(found["evidence"] as? [String: Double])
    for (name, number) in try #require(expected["evidence"] as? [String: Double]) {
      let other = try #require(evidence[name])
      #expect(abs(other - number) <= 1e-3 * abs(number), "\(name): \(other), not \(number)")
    }
  }
}

import Foundation
import TestFiles
import Testing

private let template = "Backends/Template/template_backend.c"

/// `switchback bench`: backends in turns on a user's configuration. No speed is asserted.
@Suite struct BenchTests {
  private struct Report: Decodable {
    struct Spread: Decodable {
      var median: Double
      var low: Double
      var high: Double
    }
    struct Measure: Decodable {
      var rounds: [Double]
      var spread: Spread
      var ratio: Spread?
    }
    struct Backend: Decodable {
      var name: String
      var trainingSamplesPerSecond: Measure
      var inferenceSamplesPerSecond: Measure
      var latencyMicroseconds: Measure
      var lossDifference: Double?
      var agrees: Bool
    }
    var batchSize: Int
    var checkedSteps: Int
    var lossLimit: Double
    var backends: [Backend]
  }

  /// Turns of a few milliseconds.
  private func bench(_ arguments: String...) throws -> Outcome {
    try switchback(
      ["bench", "configs/mnist-mlp.yaml", "--data", try dataFolder(), "--rounds", "3", "--seconds", "0.02"] + arguments)
  }

  private func report(_ outcome: Outcome) throws -> Report {
    try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8))
  }

  @Test("each backend has a number a round for training, inference and latency, and ratios of the same rounds")
  func rounds() throws {
    let outcome = try bench("--backend", "reference", "--backend", try compilePlugin(template), "--json")
    #expect(outcome.status == 0, "\(outcome.error)")
    let report = try report(outcome)
    #expect(report.backends.count == 2 && report.batchSize == 64)
    let (first, second) = (report.backends[0], report.backends[1])
    #expect(first.name == "reference" && first.lossDifference == nil && first.trainingSamplesPerSecond.ratio == nil)
    #expect(try #require(second.lossDifference) <= report.lossLimit && second.agrees)
    for (a, b, isTime) in [
      (first.trainingSamplesPerSecond, second.trainingSamplesPerSecond, false),
      (first.inferenceSamplesPerSecond, second.inferenceSamplesPerSecond, false),
      (first.latencyMicroseconds, second.latencyMicroseconds, true),
    ] {
      #expect(a.rounds.count == 3 && b.rounds.count == 3 && (a.rounds + b.rounds).allSatisfy { $0 > 0 })
      #expect(b.spread.median == b.rounds.sorted()[1] && b.spread.low == b.rounds.min())
      let ratios = zip(b.rounds, a.rounds).map { isTime ? $1 / $0 : $0 / $1 }.sorted()
      let ratio = try #require(b.ratio)
      #expect(abs(ratio.median / ratios[1] - 1) < 1e-9 && abs(ratio.high / ratios[2] - 1) < 1e-9)
    }
  }

  @Test("each backend that is named is measured, whatever the configuration sets")
  func named() throws {
    let outcome = try bench(
      "--backend", "reference", "--backend", try compilePlugin(template), "--set", "backend.name=opencl", "--json")
    #expect(outcome.status == 0, "\(outcome.error)")
    let backends = try report(outcome).backends
    #expect(backends.count == 2 && backends[0].name == "reference")
    #expect(backends.allSatisfy { $0.name != "opencl" })
  }

  @Test("the table names what was measured, and that all compute the same")
  func table() throws {
    let outcome = try bench("--backend", "reference", "--backend", "reference")
    #expect(outcome.status == 0, "\(outcome.error)")
    for words in [
      "training, samples/s", "inference, samples/s", "latency of one sample", "ratio to reference", "3 rounds in turns",
      "reference computes the same: losses of 3 steps from the same weights are apart by at most 0.0e+00",
    ] {
      #expect(outcome.output.contains(words), "\(outcome.output)")
    }
  }

  @Test("a backend that computes something else ends it with 1, after its numbers")
  func wrong() throws {
    let wrong = try compilePlugin(template, replacing: [("k < s->inner; k++", "k + 1 < s->inner; k++")])
    let outcome = try bench("--backend", "reference", "--backend", wrong)
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("computes something else"), "\(outcome.output)")
    #expect(outcome.error.contains("switchback diff configs/mnist-mlp.yaml --backends reference,\(wrong)"))
  }

  @Test("without --backend the configuration's comes first, and what runs nothing of it is left out by name")
  func usual() throws {
    try skipWithout("openblas")
    try skipWithout("fft")
    let outcome = try bench("--rounds", "1", "--json")
    #expect(outcome.status == 0, "\(outcome.error)")
    let names = try report(outcome).backends.map(\.name)
    // There is no convolution in it.
    #expect(names.first == "openblas" && !names.contains("fft") && !names.contains("reference"), "\(names)")
    #expect(outcome.error.contains("left out: fft: it runs no operation of this step"), "\(outcome.error)")
    let named = try bench("--rounds", "1", "--backend", "fft")
    #expect(named.status == 0 && named.error.contains("warning: fft runs no operation of it"), "\(named.error)")
  }

  @Test("wrong options are errors with words")
  func errors() throws {
    for (option, value, words) in [
      ("--rounds", "0", "--rounds is at least 1"), ("--seconds", "0", "--seconds is more than 0"),
      ("--seconds", "nan", "--seconds is more than 0"),
    ] {
      let outcome = try switchback("bench", "configs/mnist-mlp.yaml", option, value)
      #expect(outcome.status == 64 && outcome.error.contains(words), "\(option): \(outcome.error)")
    }
    let nobody = try bench("--backend", "nobody")
    #expect(nobody.status == 69 && nobody.error.contains("nobody"), "\(nobody.error)")
    let none = try switchback("bench", "nowhere.yaml")
    #expect(none.status == 66 && none.error.contains("there is no configuration nowhere.yaml"), "\(none.error)")
  }
}

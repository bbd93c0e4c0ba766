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
      var failure: String?
      var trainingSamplesPerSecond: Measure?
      var inferenceSamplesPerSecond: Measure?
      var latencyMicroseconds: Measure?
      var lossDifference: Double?
      var agrees: Bool?
    }
    var batchSize: Int
    var checkedSteps: Int
    var lossLimit: Double
    var base: String
    var backends: [Backend]
  }

  /// Turns of a few milliseconds.
  private func bench(_ arguments: String...) throws -> Outcome { try bench(arguments) }

  private func bench(_ arguments: [String]) throws -> Outcome {
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
    #expect(first.name == "reference" && first.lossDifference == nil)
    #expect(report.base == "reference" && first.trainingSamplesPerSecond?.ratio == nil)
    #expect(try #require(second.lossDifference) <= report.lossLimit && second.agrees == true)
    for (first, second, isTime) in [
      (first.trainingSamplesPerSecond, second.trainingSamplesPerSecond, false),
      (first.inferenceSamplesPerSecond, second.inferenceSamplesPerSecond, false),
      (first.latencyMicroseconds, second.latencyMicroseconds, true),
    ] {
      let (a, b) = (try #require(first), try #require(second))
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

  /// The template, whose run fails after so many.
  private func failing(after runs: Int) throws -> String {
    let begin = "  (void)device, (void)error;\n  for (uint32_t i = 0; i < executable->count"
    let fault = """
        static int runs;
        if (++runs > \(runs)) return sb_fail(error, SB_DEVICE_LOST, -1, "the card has fallen off the bus");

      """
    return try compilePlugin(template, replacing: [(begin, fault + begin)])
  }

  @Test(
    "a backend that fails, at its first step or later, has a row with the reason; the others are measured, and it ends with 1",
    // Steps and predictions that warm up, the comparison of losses (from 13 on), and rounds of one step (from 19, 25, 31 on).
    arguments: [0, 10, 14, 20, 26, 33])
  func failingLate(runs: Int) throws {
    let plugin = try failing(after: runs)
    for backends in [["reference", plugin, "reference"], [plugin, "reference", "reference"]] {
      let outcome = try bench(backends.flatMap { ["--backend", $0] } + ["--seconds", "0.000001", "--json"])
      #expect(outcome.status == 1)
      #expect(outcome.error.contains("\(plugin) failed: "), "\(outcome.error)")
      #expect(outcome.error.contains("the card has fallen off the bus"), "\(outcome.error)")
      let report = try report(outcome)
      #expect(report.base == "reference" && report.backends.map(\.name) == backends)
      for backend in report.backends {
        let isFailure = backend.name == plugin
        #expect(backend.failure?.contains("the card has fallen off the bus") == (isFailure ? true : nil))
        #expect(backend.trainingSamplesPerSecond?.rounds.count == (isFailure ? nil : 3))
        #expect(backend.latencyMicroseconds?.rounds.count == (isFailure ? nil : 3))
      }
      // The first that is left has no ratio, the other its own to that one.
      let left = report.backends.filter { $0.failure == nil }
      #expect(left[0].trainingSamplesPerSecond?.ratio == nil && left[1].trainingSamplesPerSecond?.ratio != nil)
      #expect(left[0].lossDifference == nil && left[1].lossDifference == 0)
    }
  }

  @Test("where all fail there is no report, but the reason")
  func failingAll() throws {
    let outcome = try bench("--backend", try failing(after: 0))
    #expect(outcome.status == 1 && outcome.output.isEmpty)
    #expect(outcome.error.contains("the card has fallen off the bus"), "\(outcome.error)")
    // A name that nobody has is told before anything is measured.
    let nobody = try bench("--backend", "reference", "--backend", "nobody")
    #expect(nobody.status == 69 && nobody.output.isEmpty && nobody.error.contains("nobody"), "\(nobody.error)")
  }

  @Test("the table names what failed")
  func failingTable() throws {
    let plugin = try failing(after: 20)
    let outcome = try bench("--backend", "reference", "--backend", plugin, "--seconds", "0.000001")
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("\(plugin)  failed"), "\(outcome.output)")
    #expect(outcome.output.contains("\(plugin) failed: "), "\(outcome.output)")
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

  @Test("backends are named one by one or with commas between, by either option, as in diff")
  func spellings() throws {
    try skipWithout("openblas")
    for options in [["--backends", "reference,openblas"], ["--backend", "reference, openblas"]] {
      let twice = try bench(options + ["--rounds", "1", "--json"])
      #expect(try report(twice).backends.count == 2, "\(options): \(twice.error)")
    }
    #expect(!(try switchback("bench", "--help").output.contains("--backends")))
    let both = try switchback(
      "diff", "configs/mnist-mlp.yaml", "--backend", "reference,openblas", "--data", try dataFolder(), "--steps", "1",
      "--as-configured")
    #expect(both.status == 0, "\(both.error)")
    let one = try switchback("diff", "configs/mnist-mlp.yaml", "--backend", "reference")
    #expect(one.status == 64 && one.error.contains("--backends takes two names"), "\(one.error)")
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

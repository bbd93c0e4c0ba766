import Foundation
import Switchback

/// What `bench` says of backends that took turns.
struct BenchReport: Encodable {
  /// Of one backend, a number each round.
  struct Rounds {
    /// Samples a second.
    var training: [Double] = []
    var inference: [Double] = []
    /// Microseconds.
    var latency: [Double] = []
  }

  struct Measure: Encodable {
    var rounds: [Double]
    var spread: Spread
    /// Of speeds, to `base` in the same round: above 1 is faster. Nil of that one.
    var ratio: Spread?

    init(_ rounds: [Double], to first: [Double]?, isTime: Bool = false) {
      (self.rounds, spread) = (rounds, Spread(rounds))
      ratio = first.map { first in
        Spread(zip(rounds, first).map { isTime ? $1 / max($0, 1e-9) : $0 / max($1, 1e-9) })
      }
    }
  }

  struct Backend: Encodable {
    var name: String
    /// Why it failed; of one that did there is nothing else.
    var failure: String?
    var devices: [String]?
    /// Who runs how many operations of the step.
    var placement: String?
    var plannedBytes: Int?
    var trainingSamplesPerSecond: Measure?
    var inferenceSamplesPerSecond: Measure?
    var latencyMicroseconds: Measure?
    /// Of the worst of the checked steps, to `base`, relative; nil of that one.
    var lossDifference: Double?
    var agrees: Bool?
  }

  var name: String
  var batchSize: Int
  var workers: Int
  /// Of training in a round.
  var seconds: Double
  var checkedSteps: Int
  var lossLimit = StepAgreement.lossLimit
  var peakBytes: Int
  /// The first backend that did not fail.
  var base: String
  var backends: [Backend]

  /// One contender at least has not failed.
  init(
    _ configuration: Configuration, _ turns: BenchTurns, workers: Int, seconds: Double, checkedSteps: Int
  ) throws {
    (name, batchSize) = (configuration.name, configuration.training.batchSize)
    (self.workers, self.seconds) = (workers, seconds)
    (self.checkedSteps, peakBytes) = (checkedSteps, peakResidentBytes)
    let limit = lossLimit
    let base = turns.contenders.firstIndex { $0.speed != nil } ?? 0
    self.base = turns.contenders[base].name
    backends = try turns.contenders.enumerated().map { place, contender in
      guard let session = contender.speed?.session else {
        return Backend(name: contender.name, failure: contender.failure.map { "\($0)" } ?? "")
      }
      let (own, first) = (contender.rounds, place == base ? nil : turns.contenders[base].rounds)
      let plan = try session.plan
      return Backend(
        name: contender.name, devices: session.chain.links.map { "\($0.name): \($0.device.info.identity)" },
        placement: plan.summary, plannedBytes: plan.memory.planned,
        trainingSamplesPerSecond: Measure(own.training, to: first?.training),
        inferenceSamplesPerSecond: Measure(own.inference, to: first?.inference),
        latencyMicroseconds: Measure(own.latency, to: first?.latency, isTime: true),
        lossDifference: contender.lossDifference, agrees: contender.lossDifference.map { $0 <= limit } ?? true)
    }
  }

  // MARK: The table

  func show() {
    var table = TextTable(["", "backend", "median", "range", "ratio to \(base)"], rightAligned: [2])
    func add(_ words: String, _ measure: (Backend) -> Measure?) {
      for (place, backend) in backends.enumerated() {
        let (spread, ratio) = (measure(backend)?.spread, measure(backend)?.ratio)
        table.add([
          place == 0 ? words : "", backend.name, spread?.median.tableText ?? "failed",
          spread.map { "\($0.low.tableText) to \($0.high.tableText)" } ?? "",
          ratio.map { String(format: "%.2f (%.2f to %.2f)", $0.median, $0.low, $0.high) } ?? "",
        ])
      }
    }
    add("training, samples/s", \.trainingSamplesPerSecond)
    add("inference, samples/s", \.inferenceSamplesPerSecond)
    add("latency of one sample, µs", \.latencyMicroseconds)
    Terminal.write(table.text)
    let count = backends.compactMap { $0.trainingSamplesPerSecond?.rounds.count }.max() ?? 0
    Terminal.write(
      "\n\(count) round\(count == 1 ? "" : "s") in turns, batches of \(batchSize), \(workers) "
        + "worker\(workers == 1 ? "" : "s"); ratios are of speeds, above 1 is faster")
    for backend in backends {
      if let failure = backend.failure { Terminal.write("\(backend.name) failed: \(failure)") }
      guard let difference = backend.lossDifference else { continue }
      Terminal.write(
        "\(backend.name) computes \(backend.agrees == true ? "the same" : "something else"): losses of \(checkedSteps) steps "
          + "from the same weights are apart by at most \(difference.shortText) (relative; \(lossLimit.shortText) is allowed)"
      )
    }
  }
}

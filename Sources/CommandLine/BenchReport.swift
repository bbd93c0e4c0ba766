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
    /// Of speeds, to the first backend in the same round: above 1 is faster. Nil of the first.
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
    var devices: [String]
    /// Who runs how many operations of the step.
    var placement: String
    var plannedBytes: Int
    var trainingSamplesPerSecond: Measure
    var inferenceSamplesPerSecond: Measure
    var latencyMicroseconds: Measure
    /// Of the worst of the checked steps, to the first backend, relative; nil of the first.
    var lossDifference: Double?
    var agrees: Bool
  }

  var name: String
  var batchSize: Int
  var workers: Int
  /// Of training in a round.
  var seconds: Double
  var checkedSteps: Int
  var lossLimit = StepAgreement.lossLimit
  var peakBytes: Int
  var backends: [Backend]

  /// `rounds` are the contenders', and `differences` those of the losses of all but the first.
  init(
    _ configuration: Configuration, _ contenders: [BackendSpeed], _ rounds: [Rounds], seconds: Double,
    differences: [Double], checkedSteps: Int
  ) throws {
    (name, batchSize) = (configuration.name, configuration.training.batchSize)
    (workers, self.seconds) = (contenders[0].session.chain.host.workers, seconds)
    (self.checkedSteps, peakBytes) = (checkedSteps, peakResidentBytes)
    let limit = lossLimit
    backends = try contenders.enumerated().map { place, contender in
      let (own, first) = (rounds[place], place == 0 ? nil : rounds[0])
      let plan = try contender.session.plan
      let difference = place == 0 ? nil : differences[place - 1]
      return Backend(
        name: contender.name,
        devices: contender.session.chain.links.map { "\($0.name): \($0.device.info.identity)" },
        placement: plan.summary, plannedBytes: plan.memory.planned,
        trainingSamplesPerSecond: Measure(own.training, to: first?.training),
        inferenceSamplesPerSecond: Measure(own.inference, to: first?.inference),
        latencyMicroseconds: Measure(own.latency, to: first?.latency, isTime: true), lossDifference: difference,
        agrees: difference.map { $0 <= limit } ?? true)
    }
  }

  // MARK: The table

  func show() {
    var table = TextTable(["", "backend", "median", "range", "ratio to \(backends[0].name)"], rightAligned: [2])
    func add(_ words: String, _ measure: (Backend) -> Measure) {
      for (place, backend) in backends.enumerated() {
        let (spread, ratio) = (measure(backend).spread, measure(backend).ratio)
        table.add([
          place == 0 ? words : "", backend.name, spread.median.tableText,
          "\(spread.low.tableText) to \(spread.high.tableText)",
          ratio.map { String(format: "%.2f (%.2f to %.2f)", $0.median, $0.low, $0.high) } ?? "",
        ])
      }
    }
    add("training, samples/s", \.trainingSamplesPerSecond)
    add("inference, samples/s", \.inferenceSamplesPerSecond)
    add("latency of one sample, µs", \.latencyMicroseconds)
    Terminal.write(table.text)
    let count = backends[0].trainingSamplesPerSecond.rounds.count
    Terminal.write(
      "\n\(count) round\(count == 1 ? "" : "s") in turns, batches of \(batchSize), \(workers) "
        + "worker\(workers == 1 ? "" : "s"); ratios are of speeds, above 1 is faster")
    for backend in backends {
      guard let difference = backend.lossDifference else { continue }
      Terminal.write(
        "\(backend.name) computes \(backend.agrees ? "the same" : "something else"): losses of \(checkedSteps) steps from the "
          + "same weights are apart by at most \(difference.shortText) (relative; \(lossLimit.shortText) is allowed)")
    }
  }
}

public import SwitchbackBackendKit
public import SwitchbackDatasets
import SwitchbackExecution
import SwitchbackInference
import SwitchbackNeuralNetworks

/// A configuration on one backend, measured a while at a time, so that several can take turns.
public final class BackendSpeed {
  public let name: String
  public let session: TrainingSession
  private let batches: MeasuredBatches
  private let inBatches: Answers
  private let alone: Answers
  private var steps = 0

  /// A program that predicts, with what fills it.
  private struct Answers {
    let executor: ProgramExecutor
    let feed: ProgramFeed

    init(_ session: TrainingSession, batchSize: Int) throws {
      let program = try session.step.inference(batchSize: batchSize).program
      executor = try ProgramExecutor(program, on: session.chain, states: session.states)
      feed = try ProgramFeed(executor)
    }

    func run(_ dataset: any Dataset, _ indices: ArraySlice<Int32>) throws {
      try feed.fill(dataset, indices)
      try executor.run()
    }
  }

  /// `configuration` names the backend. Some steps and predictions warm up: they compile, plan and touch memory for the first
  /// time.
  public init(
    _ configuration: Configuration, _ dataset: any Dataset, registry: BackendRegistry, host: HostServices,
    progress: @escaping (BackendProgress) -> Void = { _ in }
  ) throws {
    name = configuration.backend.name
    session = try TrainingSession(
      configuration, on: dataset.layout, registry: registry, host: host, probeInterval: nil, progress: progress)
    batches = try MeasuredBatches(dataset, of: configuration)
    if let source = configuration.initialWeights { try session.load(InitialWeights(source)) }
    inBatches = try Answers(session, batchSize: session.batchSize)
    alone = try Answers(session, batchSize: 1)
    for _ in 0..<max(2, session.step.accumulationSteps) { try step() }
    for _ in 0..<2 {
      try inBatches.run(dataset, batches[0])
      try alone.run(dataset, batches[0].prefix(1))
    }
  }

  /// Whether its backend, and not only what stands behind it, runs an operation of the step.
  public var takesPart: Bool {
    get throws {
      let placements = try session.plan.placements
      return name == AutoBackend.name || placements.contains { $0.link == 0 }
    }
  }

  private func step() throws {
    _ = try session.train(batches.dataset, batches[steps])
    steps += 1
  }

  /// Samples a second of training steps without probes, batches included, for some seconds; one step at least. Where the
  /// device allows it, a step is handed over while the one before is under way, as in a run.
  public func trainingSpeed(seconds: Double) throws -> Double {
    let overlaps = try session.overlaps
    let begin = RouteSearch.monotonicSeconds()
    var (done, pending) = (0, TrainingSession.StartedStep?.none)
    repeat {
      let started = try session.start(batches.dataset, batches[steps])
      steps += 1
      done += 1
      if let pending { _ = try session.finish(pending) }
      pending = overlaps ? started : nil
      if !overlaps { _ = try session.finish(started) }
    } while RouteSearch.monotonicSeconds() - begin < seconds
    if let pending { _ = try session.finish(pending) }
    return Double(done * session.batchSize) / (RouteSearch.monotonicSeconds() - begin)
  }

  /// Samples a second of predictions for whole batches, the batches included.
  public func inferenceSpeed(seconds: Double) throws -> Double {
    let begin = RouteSearch.monotonicSeconds()
    var done = 0
    repeat {
      try inBatches.run(batches.dataset, batches[done])
      done += 1
    } while RouteSearch.monotonicSeconds() - begin < seconds
    return Double(done * session.batchSize) / (RouteSearch.monotonicSeconds() - begin)
  }

  /// Microseconds from one sample to its prediction: the median of as many as some seconds hold.
  public func latency(seconds: Double) throws -> Double {
    var (times, now) = ([Double](), RouteSearch.monotonicSeconds())
    let begin = now
    repeat {
      try alone.run(batches.dataset, batches[times.count].prefix(1))
      let end = RouteSearch.monotonicSeconds()
      times.append((end - now) * 1e6)
      now = end
    } while now - begin < seconds
    return Spread(times).median
  }

  /// How far the losses of so many steps are from those of `first`, each step from the same weights on both: the worst
  /// step's difference, relative.
  public func lossDifference(from first: BackendSpeed, steps: Int) throws -> Double {
    let comparison = try StepComparison(
      session.step, batchSize: session.batchSize, seed: Int(session.seed), on: first.session.chain, and: session.chain)
    let rows = try (0..<steps).map { try comparison.advance(batches.dataset, batches[$0]) }
    return StepAgreement(rows).lossDifference
  }
}

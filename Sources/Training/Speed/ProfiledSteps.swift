public import SwitchbackDatasets
public import SwitchbackExecution

/// Training steps with the time of every group of operations in them, and of what lies between.
public struct ProfiledSteps {
  /// Of the steps that count: not of those that warm up.
  public let profile: Profile
  public let steps: Int
  public let batchSize: Int
  /// From the first step's batch to the last step's numbers.
  public let seconds: Double
  /// Of the last step.
  public let loss: Double
  /// The first steps, for whoever draws them.
  public private(set) var traced: [TracedStep] = []

  public struct TracedStep: Sendable {
    /// By `RouteSearch.monotonicSeconds`.
    public var begin: Double
    public var seconds: Double
    public var groups: [Profile.Span]
  }

  /// Steps that compile, plan and touch memory for the first time.
  private static let warmUp = 2

  /// Runs so many steps of a profiled session, or without `steps` as many as begin within `seconds`, at most `usualSteps`;
  /// the first `tracedSteps` of them are kept with their groups.
  public init(
    _ session: TrainingSession, _ dataset: any Dataset, of configuration: Configuration, steps: Int? = nil,
    seconds: Double = usualSeconds, tracedSteps: Int = 0
  ) throws {
    let batches = try MeasuredBatches(dataset, of: configuration)
    // Of accumulated batches those that update have a program of their own.
    let warmUp = max(Self.warmUp, session.step.accumulationSteps)
    for step in 0..<warmUp { _ = try session.train(dataset, batches[step]) }
    guard let before = try session.profile else {
      throw ExecutionError(.invalid, "the session was not made to be profiled")
    }
    let clock = RouteSearch.monotonicSeconds
    let begin = clock()
    var (done, end, loss) = (0, begin, Double.nan)
    while done < steps ?? Self.usualSteps, steps != nil || done == 0 || end - begin < seconds {
      let start = end
      loss = try session.train(dataset, batches[warmUp + done]).loss
      done += 1
      if done <= tracedSteps, let spans = try session.profile?.lastRun {
        let groups = spans.filter { $0.begin >= start }
        traced.append(TracedStep(begin: start, seconds: clock() - start, groups: groups))
      }
      end = clock()
    }
    profile = (try session.profile ?? before).since(before)
    (self.steps, self.loss, batchSize, self.seconds) = (done, loss, session.batchSize, end - begin)
  }

  /// Without a number of steps.
  public static let usualSteps = 200
  public static let usualSeconds = 5.0
}

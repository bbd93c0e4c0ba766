public import SwitchbackDatasets
public import SwitchbackExecution

/// Training steps with the time of every group of operations in them, and of what lies between.
public struct ProfiledSteps {
  /// Of the steps that count: not of those that warm up.
  public let profile: Profile
  public let steps: Int
  public let batchSize: Int
  /// Of all steps, each from its batch to its numbers.
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

  /// Runs so many steps of a profiled session, or without `steps` as many as take `seconds`, at most `usualSteps`;
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
    var (done, total, loss) = (0, 0.0, Double.nan)
    while done < steps ?? Self.usualSteps, steps != nil || done == 0 || total < seconds {
      let begin = RouteSearch.monotonicSeconds()
      loss = try session.train(dataset, batches[warmUp + done]).loss
      let time = RouteSearch.monotonicSeconds() - begin
      (done, total) = (done + 1, total + time)
      if done <= tracedSteps, let spans = try session.profile?.lastRun {
        // Of accumulated batches one of two programs has run.
        traced.append(TracedStep(begin: begin, seconds: time, groups: spans.filter { $0.begin >= begin }))
      }
    }
    profile = (try session.profile ?? before).since(before)
    (self.steps, self.loss, batchSize, self.seconds) = (done, loss, session.batchSize, total)
  }

  /// Without a number of steps.
  public static let usualSteps = 200
  public static let usualSeconds = 5.0
}

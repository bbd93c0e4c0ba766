import SwitchbackConformance
package import SwitchbackExecution
import SwitchbackMonitoring

/// Compares the operations of a run with the Float64 reference, one after another, on the operands that they have in
/// training: a backend that computes wrongly is named, whatever the network does.
///
/// A watched step is run again on copies (`StepReplay`): no weight depends on whether it was checked. Checks take a share of
/// the time so far, so how many there are depends on time. Their order does not: a run that goes on goes on with the next one.
package struct OperationRotation {
  static let usualShare = 0.005
  /// The word for what it finds, and for its memory.
  package static let name = "wrongOperation"

  private let share: Double
  private let reference: BackendChain
  private let hasRoom: (ExecutionPlan) -> Bool
  /// Checks so far, and operations that could not be judged.
  private var turn = 0
  private(set) var skipped = 0
  /// Of this process: seconds, and how many checks they were.
  private var spent = 0.0
  private var checks = 0
  /// The states before the step that is to be checked, and which that is.
  private var copies: (states: [String: [UInt8]], step: Int)?
  /// The gradients of the step that was checked last, and of its replay.
  private(set) var repeated: RepeatedStep?
  private var hasEstimated = false
  /// Whether the reference computes everything, or could judge nothing.
  private var hasNothing = false

  /// `hasRoom`: whether the machine has memory for a step a second time.
  package init(
    share: Double, reference: BackendChain,
    hasRoom: @escaping (ExecutionPlan) -> Bool = { OperationRotation.hasRoom(for: $0) }
  ) {
    (self.share, self.reference, self.hasRoom) = (share, reference, hasRoom)
  }

  /// For a checkpoint.
  package var memory: [String: Int] {
    get { ["turn": turn, "skipped": skipped] }
    set {
      (turn, skipped) = (natural(newValue["turn"]), natural(newValue["skipped"]))
      // A run that goes back comes by that step again, from other states.
      copies = nil
    }
  }

  // MARK: How often

  /// A step again takes longer than the step: it is planned and compiled for it, and the reference is slow.
  private static let (stepsOfReplay, secondsOfReference) = (4.0, 0.1)

  /// What a check takes, in seconds: the mean of those so far, or else an estimate.
  private func cost(_ time: TrainedTime) -> Double {
    checks > 0 ? spent / Double(checks) : Self.stepsOfReplay * time.secondsPerStep + Self.secondsOfReference
  }

  /// Whether there is time for a check.
  private func isDue(_ time: TrainedTime) -> Bool {
    guard share > 0 else { return false }
    return share >= 1 || time.steps > 0 && spent + cost(time) <= share * (time.seconds + spent)
  }

  /// A law asks one step of each run whether its gradients come again, once there are batches before it.
  private func isFirst(in session: TrainingSession) -> Bool {
    share > 0 && checks == 0 && session.updates == Self.firstUpdate
  }

  private static let firstUpdate = 4

  /// What the start of a run says.
  func words(in session: TrainingSession, interval: Int) throws -> String? {
    guard share > 0 else { return nil }
    let plan = try session.plan
    let (count, tooLarge) = Self.counts(of: plan)
    guard count > 0 else { return nil }
    let others = tooLarge > 0 ? " (\(tooLarge) more are too large)" : ""
    return share >= 1
      ? "checks each of \(count) operations once in about \(count * interval) steps\(others)"
      : "checks \(count) operations in turn, in \(Self.percent(share)) of the time\(others)"
  }

  /// After about how many steps each will have been checked, once, when the first steps were timed.
  mutating func estimate(_ time: TrainedTime, in session: TrainingSession, interval: Int) throws -> String? {
    guard !hasEstimated, share > 0, share < 1, time.steps >= TrainingSession.usualFirstLooks, time.secondsPerStep > 0
    else { return nil }
    hasEstimated = true
    let count = Self.counts(of: try session.plan).checked
    guard count > 0 else { return nil }
    let steps = max(Double(count * interval), Double(count) * cost(time) / share / time.secondsPerStep)
    return "each of \(count) operations will have been compared with the reference after about "
      + "\(Self.rounded(steps)) steps (monitor.check_share \(share))"
  }

  /// How many operations are checked, and how many are too much for the reference.
  private static func counts(of plan: ExecutionPlan) -> (checked: Int, tooLarge: Int) {
    let calls = StepReplay.judgedCalls(of: plan)
    let count = calls.count { StepReplay.flops(of: $0, in: plan.program) != nil }
    return (count, calls.count - count)
  }

  private static func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }

  /// Two digits.
  private static func rounded(_ steps: Double) -> Int {
    var (unit, rest) = (1.0, min(steps, 1e15))
    while rest >= 100 { (unit, rest) = (unit * 10, rest / 10) }
    return Int(rest.rounded(.up) * unit)
  }

  // MARK: A check

  /// Before a step: copies the states where it is to be checked. `samples` are those of its batch.
  package mutating func prepare(_ time: TrainedTime, in session: TrainingSession, samples: Int, endsAccumulation: Bool)
    throws
  {
    guard copies == nil, !hasNothing, isDue(time) || isFirst(in: session),
      session.isNextWatched(samples, endsAccumulation: endsAccumulation)
    else { return }
    let clock = ContinuousClock()
    let begin = clock.now
    defer { spent += (clock.now - begin).seconds }
    // The copies take of it already.
    guard hasRoom(try session.nextPlan(samples, endsAccumulation: endsAccumulation)) else {
      skipped += 1
      return
    }
    copies = (try StepReplay.copies(of: session.states), session.batches + 1)
  }

  /// Behind a step: what was found wrong in it, where it is the one that is to be checked. Operations of `known` were found
  /// before.
  mutating func check(
    _ result: TrainingSession.StepResult, step: Int, in session: TrainingSession, known: (String) -> Bool
  ) throws -> OperationFault? {
    repeated = nil
    guard let (states, number) = copies, number <= step else { return nil }
    copies = nil
    // A step that was not finished, before a run was interrupted.
    guard number == step, result.isProbed else { return nil }
    let clock = ContinuousClock()
    let begin = clock.now
    defer { (spent, checks) = (spent + (clock.now - begin).seconds, checks + 1) }
    let executor = result.executor.executor
    guard let call = nextCall(of: executor.plan) else {
      hasNothing = true
      return nil
    }
    // Somebody may have taken it meanwhile.
    guard hasRoom(executor.plan) else {
      skipped += 1
      return nil
    }
    do {
      let replay = try StepReplay(executor, on: session.chain, reference: reference, states: states)
      let rotation = turn / max(StepReplay.judgedCalls(of: executor.plan).count, 1)
      let run = try replay.run(writing: [call])
      repeated = try RepeatedStep(step, of: result, again: run)
      switch try replay.judge(call, in: run, turn: rotation) {
      case .right: return nil
      case .skipped:
        skipped += 1
        return nil
      case .wrong(let fault): return known(fault.fault.label) ? nil : fault
      }
    } catch {
      // A check ends no run: a device may lack the memory for the step twice, and what is wrong with it otherwise shows in
      // the next step.
      skipped += 1
      return nil
    }
  }

  /// The next one that the reference can judge; nil where there is none.
  private mutating func nextCall(of plan: ExecutionPlan) -> Int? {
    let calls = StepReplay.judgedCalls(of: plan)
    for _ in calls {
      let call = calls[turn % calls.count]
      turn += 1
      if StepReplay.flops(of: call, in: plan.program) != nil { return call }
      skipped += 1
    }
    return nil
  }

  /// Whether the machine has room for the step a second time.
  static func hasRoom(for plan: ExecutionPlan) -> Bool {
    guard let room = HostMemory.available() else { return true }
    return 2 * (plan.memory.host + plan.memory.hostStates) < room.bytes
  }
}

/// How long a run has trained in this process.
package struct TrainedTime {
  var seconds: Double
  var steps: Int

  package init(seconds: Double, steps: Int) { (self.seconds, self.steps) = (seconds, steps) }
  var secondsPerStep: Double { seconds / Double(max(steps, 1)) }
}

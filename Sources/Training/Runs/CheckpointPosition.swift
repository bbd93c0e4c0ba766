public import SwitchbackDatasets
public import SwitchbackExecution
public import SwitchbackMonitoring
public import SwitchbackNeuralNetworks

extension Checkpoint {
  /// Where the run stood: after `batches` batches, `batchInEpoch` of them in `epoch`.
  public struct Position: Codable, Hashable, Sendable {
    public let seed: Int
    public internal(set) var batches = 0
    /// Updates of the weights so far, and batches whose gradients wait for the next one; nil in positions of runs
    /// of the early rules (`hasEarlyRules`).
    public private(set) var updates: Int? = 0
    public private(set) var accumulated: Int? = 0
    /// Counts from 1.
    public private(set) var epoch = 1
    public private(set) var batchInEpoch = 0
    /// Sums over the epoch so far.
    public private(set) var lossSum = 0.0
    public private(set) var correct = 0.0
    public private(set) var samples = 0
    /// Sums of each of several outputs, by what stands before its columns.
    public internal(set) var outputs: [String: OutputSums]?
    /// The lowest validation loss of any epoch that was validated so far.
    public private(set) var bestLoss = Double.infinity
    /// The best number of the column that `training.watch` names; nil where that is the loss.
    public private(set) var watched: WatchedBest?
    /// Validations without a better loss, or number of that column.
    public private(set) var epochsWithoutGain = 0
    /// Whether the last epoch was not validated (`training.validation.every`); nil: it was.
    private var isUnvalidated: Bool?
    public private(set) var plateau: ReduceOnPlateau?
    /// What the gradient monitor remembers, and how many steps before this one were not finite; nil in positions
    /// without a monitor's memory, which go on with an empty one.
    public internal(set) var monitor: GradientMonitor.State?
    public internal(set) var nonFiniteSteps: Int?
    /// What findings have brought about; nil where nothing.
    public internal(set) var actions: ActionLog?
    /// With `monitor.action: rollback` the step of the last checkpoint before anything diverged, of those that every such run
    /// makes: one because a run was interrupted is none.
    public internal(set) var goodStep: Int?
    /// The fingerprint of the plan of the step without probes (`TrainingSession.planFingerprint`): other backends or another
    /// number of slots give other bits. In positions with early probes of the step with them.
    public internal(set) var plan: String
    /// Who runs what, where `backend: auto` decided it.
    public internal(set) var routing: Routing?
    /// The fingerprint of the training program alone: of network, loss, optimizer and batch size. nil in checkpoints of
    /// runs without a record.
    public internal(set) var program: String?
    /// How seed and epoch order the samples; nil in positions of runs of the early rules: `shifted`.
    private let order: BatchOrder.Version?
    public var orderVersion: BatchOrder.Version { order ?? .shifted }

    /// Whether the run is one of the early rules. Such runs go on by the rules that they began with: they update after
    /// every k-th batch of the run, whatever epoch it is in, and clip by norms that are not scaled.
    public var hasEarlyRules: Bool { updates == nil }

    public struct OutputSums: Codable, Hashable, Sendable {
      public fileprivate(set) var lossSum = 0.0
      /// Nil where targets are numbers.
      public fileprivate(set) var correct: Double?
    }

    public struct WatchedBest: Codable, Hashable, Sendable {
      public var column: String
      /// Nil until the first validation.
      public var number: Double?
    }

    init(seed: Int, plan: String, routing: Routing?, program: String?) {
      (self.seed, self.plan, self.routing, self.program, order) = (seed, plan, routing, program, .mixed)
    }

    /// Whether this is the end of a validated epoch with the lowest validation loss so far.
    public var isBest: Bool { batchInEpoch == 0 && epoch > 1 && epochsWithoutGain == 0 && isUnvalidated != true }

    /// Whether a run may go back to it.
    public var isGood: Bool { goodStep == batches }

    /// Takes over what the session counts and remembers, which nobody else changes.
    mutating func follow(_ session: TrainingSession) {
      (batches, plateau) = (session.batches, session.plateau)
      guard !hasEarlyRules else { return }
      (updates, accumulated) = (session.updates, session.accumulated)
    }

    mutating func count(_ step: TrainingSession.StepResult, of samples: Int) {
      batchInEpoch += 1
      lossSum += step.loss * Double(samples)
      correct += step.correct ?? 0
      self.samples += samples
      guard !step.parts.isEmpty else { return }
      var sums = outputs ?? [:]
      for part in step.parts {
        var sum = sums[part.prefix] ?? OutputSums()
        sum.lossSum += part.loss * Double(samples)
        if let right = part.correct { sum.correct = (sum.correct ?? 0) + right }
        sums[part.prefix] = sum
      }
      outputs = sums
    }

    /// Nil: the epoch decides nothing about the rest of the run.
    mutating func nextEpoch(_ validation: Evaluation?, by watch: Watch) {
      isUnvalidated = validation == nil ? true : nil
      if let validation {
        let isGain = watch.isTotal ? validation.loss < bestLoss : observe(watch.number(of: validation), of: watch)
        epochsWithoutGain = isGain ? 0 : epochsWithoutGain + 1
        bestLoss = min(bestLoss, validation.loss)
      }
      epoch += 1
      (batchInEpoch, lossSum, correct, samples, outputs) = (0, 0, 0, 0, nil)
    }

    /// Whether the number is the best so far, and then keeps it.
    private mutating func observe(_ number: Double?, of watch: Watch) -> Bool {
      guard let number, !number.isNaN else { return false }
      if let best = watched?.number, watched?.column == watch.column, !watch.isBetter(number, than: best) {
        return false
      }
      watched = WatchedBest(column: watch.column, number: number)
      return true
    }

    /// Goes by another column from here on: nothing is the best by it yet, and nothing was waited for.
    mutating func go(by watch: Watch) {
      let column = watch.isTotal ? nil : watch.column
      guard watched?.column != column else { return }
      watched = column.map { WatchedBest(column: $0) }
      (epochsWithoutGain, isUnvalidated) = (0, true)
      if watch.isTotal { bestLoss = .infinity }
    }
  }
}

import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// A program of a training step on its executor. Whatever a step fills and reads is found once, when this is made.
final class StepExecutor {
  let executor: ProgramExecutor
  let feed: StepFeed
  private let whole: NumberHandles
  /// Of several objectives each.
  private let parts: [NumberHandles]
  /// Nil of a program that only accumulates.
  private let isFinite: OutputHandle?
  private let probes: [(probe: Probe, output: OutputHandle)]
  /// Those that look along time.
  private let courses: [(probe: Probe, output: OutputHandle)]
  /// What the optimizer gets, one a trainable weight; nil of what is too large to be answered.
  let gradients: [OutputHandle?]
  /// Running statistics, and where the program tells those of the batch.
  let statistics: [(statistic: AnsweredValues.Statistic, output: OutputHandle)]
  /// The bias correction that a run is given; nil where there is none.
  let correction: InputHandle?

  /// Where the program tells the loss of the step or of one objective, and how right it is.
  private struct NumberHandles {
    let prefix: String
    let loss: OutputHandle
    /// Nil where targets are numbers, and of several objectives together.
    let correct: OutputHandle?
    /// Nil where each sample counts 1.
    let weightSum: OutputHandle?

    init(_ prefix: String, in executor: ProgramExecutor) throws(ExecutionError) {
      self.prefix = prefix
      loss = try executor.output(named: prefix + StepOutput.loss)
      correct = executor.outputIfAny(named: prefix + StepOutput.correct)
      weightSum = executor.outputIfAny(named: prefix + StepOutput.weightSum)
    }
  }

  /// The loss of a step, or of one of its objectives, and how many samples of the batch were right; nil where targets are
  /// numbers, and of several objectives together.
  struct Numbers {
    var prefix = ""
    var loss: Double
    var correct: Double?
  }

  init(
    _ executor: ProgramExecutor, _ stepValues: StepValues, of step: TrainingStep, probes: [Probe] = [],
    answering values: AnsweredValues = AnsweredValues()
  ) throws(ExecutionError) {
    self.executor = executor
    feed = try StepFeed(executor, stepValues)
    whole = try NumberHandles("", in: executor)
    parts =
      step.objectives.count == 1
      ? []
      : try step.objectives.map { objective throws(ExecutionError) in
        try NumberHandles(step.prefix(of: objective), in: executor)
      }
    isFinite = executor.outputIfAny(named: StepOutput.isFinite)
    let handles = try probes.map { probe throws(ExecutionError) in (probe, try executor.output(named: probe.output)) }
    self.probes = handles.filter { $0.0.kind != .deltaOverTime }
    courses = handles.filter { $0.0.kind == .deltaOverTime }
    gradients = try values.gradients.map { name throws(ExecutionError) in
      guard let name else { return nil }
      return try executor.output(named: name)
    }
    statistics = try values.statistics.map { statistic throws(ExecutionError) in
      (statistic, try executor.output(named: statistic.output))
    }
    let correction = "correction"
    self.correction = executor.hasInput(correction) ? try executor.input(named: correction) : nil
  }

  /// What the finished run says of its loss, and of how many samples of the batch it was right: where samples have
  /// weights, the share of the weight that is right of so many.
  func numbers() throws -> Numbers { try numbers(whole) }

  /// The same of each objective, where there are several.
  func numbersByObjective() throws -> [Numbers] { try parts.map { try numbers($0) } }

  private func numbers(_ handles: NumberHandles) throws -> Numbers {
    var numbers = Numbers(prefix: handles.prefix, loss: try executor.number(of: handles.loss))
    guard var right = try handles.correct.map({ try executor.number(of: $0) }) else { return numbers }
    if let weight = try handles.weightSum.map({ try executor.number(of: $0) }) {
      right = weight > 0 ? right / weight * Double(feed.batchSize) : 0
    }
    numbers.correct = right
    return numbers
  }

  /// Whether the finished run applied its update; nil of a program that only accumulates.
  func allowedUpdate() throws -> Bool? {
    try isFinite.map { try executor.withOutput($0) { $0.load(as: UInt8.self) != 0 } }
  }

  /// What the probes saw in the finished run.
  func probed() throws -> [(Probe, TensorStatistics)] {
    try probes.map { probe, output in
      try executor.withOutput(output) { (probe, TensorStatistics($0.bindMemory(to: Double.self))) }
    }
  }

  /// What the probes along time saw.
  func probedCourses() throws -> [(Probe, TimeCourse)] {
    try courses.map { probe, output in
      let steps = output.type.shape[1]
      return try executor.withOutput(output) { bytes in
        (probe, TimeCourse(squares: bytes.bindMemory(to: Float.self), steps: steps, isReversed: probe.isReversed))
      }
    }
  }
}

extension ProgramExecutor {
  /// An output that is one number, f32 or i32.
  func number(of output: OutputHandle) throws -> Double {
    try withOutput(output) { bytes in
      output.type.elementType == .int32 ? Double(bytes.load(as: Int32.self)) : Double(bytes.load(as: Float.self))
    }
  }
}

import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// A program of a training step on its executor. Whatever a step fills and reads is found once, when this is made.
final class StepExecutor {
  let executor: ProgramExecutor
  let feed: StepFeed
  private let loss: OutputHandle
  /// Nil where targets are numbers, and of several objectives.
  private let correct: OutputHandle?
  /// Nil where each sample counts 1.
  private let weightSum: OutputHandle?
  /// Nil of a program that only accumulates.
  private let isFinite: OutputHandle?
  private let probes: [(probe: Probe, output: OutputHandle)]

  init(
    _ executor: ProgramExecutor, _ stepValues: StepValues, probes: [Probe] = []
  ) throws(ExecutionError) {
    self.executor = executor
    feed = try StepFeed(executor, stepValues)
    loss = try executor.output(named: "loss")
    correct = try? executor.output(named: "correct")
    weightSum = try? executor.output(named: "weightSum")
    isFinite = try? executor.output(named: "isFinite")
    self.probes = try probes.map { probe throws(ExecutionError) in (probe, try executor.output(named: probe.output)) }
  }

  /// What the finished run says of its loss, and of how many samples of the batch it was right: where samples have
  /// weights, the share of the weight that is right of so many.
  func numbers() throws -> (loss: Double, correct: Double?) {
    let loss = Double(try executor.withOutput(loss) { $0.load(as: Float.self) })
    guard var right = try correct.map({ try executor.number(of: $0) }) else { return (loss, nil) }
    if let weight = try weightSum.map({ try executor.number(of: $0) }) {
      right = weight > 0 ? right / weight * Double(feed.batchSize) : 0
    }
    return (loss, right)
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
}

extension ProgramExecutor {
  /// An output that is one number, f32 or i32.
  func number(of output: OutputHandle) throws -> Double {
    try withOutput(output) { bytes in
      output.type.elementType == .int32 ? Double(bytes.load(as: Int32.self)) : Double(bytes.load(as: Float.self))
    }
  }
}

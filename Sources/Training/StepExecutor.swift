import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// A program of a training step on its executor. Whatever a step fills and reads is found once, when this is made.
final class StepExecutor {
  let executor: ProgramExecutor
  let feed: StepFeed
  private let loss: OutputHandle
  /// Nil where targets are numbers.
  private let correct: OutputHandle?
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
    isFinite = try? executor.output(named: "isFinite")
    self.probes = try probes.map { probe throws(ExecutionError) in (probe, try executor.output(named: probe.output)) }
  }

  /// What the finished run says of its loss, and of how many samples of the batch it was right.
  func numbers() throws -> (loss: Double, correct: Double) {
    (
      Double(try executor.withOutput(loss) { $0.load(as: Float.self) }),
      try correct.map { try executor.number(of: $0) } ?? 0
    )
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

import SwitchbackExecution
import SwitchbackMonitoring

extension RepeatedStep {
  /// Of a probed step and of its replay.
  init(_ step: Int, of result: TrainingSession.StepResult, again: ProgramExecutor) throws {
    let gradients = try result.executor.probed().filter { $0.0.kind == .parameterGradient }
    self.init(
      step: step,
      gradients: try gradients.map { probe, statistics in
        try again.withOutput(probe.output) { bytes in
          Gradient(
            weight: .init(stateNamed: probe.path), norm: statistics.l2,
            again: TensorStatistics(bytes.bindMemory(to: Double.self)).l2)
        }
      })
  }
}

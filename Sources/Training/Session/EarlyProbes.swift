import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackNeuralNetworks
import SwitchbackPrograms

/// The probes that a watched step had when positions still held the plan with probes.
///
/// Nothing runs with them. Whether such a position is of the step that is trained here, its own plan alone can tell, which
/// covers what its backends chose for that very program. So this stays as it is, whatever the monitor looks at.
extension TrainingSession {
  /// The fingerprint of the step with these probes.
  func fingerprintWithEarlyProbes() throws -> String {
    func probe(_ builder: inout ProgramBuilder, _ trace: TrainingTrace) throws(ProgramError) {
      try builder.attachEarlyProbes(to: trace)
    }
    let program = try step.build(batchSize: batchSize, probe: probe, seesUpdatedStates: true).program
    return try ProgramExecutor(program, on: chain, states: states).plan.fingerprint
  }
}

extension ProgramBuilder {
  fileprivate mutating func attachEarlyProbes(to trace: TrainingTrace) throws(ProgramError) {
    let outer = path
    defer { path = outer }
    var count = 0
    func watch(_ layer: String, _ value: Value, byStep: Bool = false) throws(ProgramError) {
      path = String(layer.split(separator: "/").first ?? "")
      output("probe/\(count)", byStep ? try squaresByStep(value) : try append(Statistics(histogram: false), value))
      count += 1
    }
    for gate in trace.gates {
      if let delta = gate.outputGradient, delta != gate.preActivationGradient { try watch(gate.path, delta) }
      guard let delta = gate.preActivationGradient else { continue }
      try watch(gate.path, delta)
      if gate.course != nil { try watch(gate.path, delta, byStep: true) }
    }
    for parameter in trace.parameters {
      for value in [parameter.gradient, parameter.update, parameter.parameter.value] {
        try watch(parameter.parameter.name, value)
      }
    }
  }
}

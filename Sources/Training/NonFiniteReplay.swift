import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackPrograms

/// Finds the operation that made the first value that is infinite or not a number.
///
/// The step is run again on a copy of the states, operation by operation with every value written. The update of the
/// step was held back, so the states are still those it started from.
struct NonFiniteReplay {
  /// The operation, such as `layers.2.conv2d`, and its layer's path; nil where the replay stays finite.
  static func firstOperation(
    of executor: ProgramExecutor, on device: BackendChain.Link, host: HostServices
  ) throws -> (label: String, path: String)? {
    let program = executor.program
    let copies = StateStore()
    for id in program.values(.state) {
      let value = program.values[id]
      _ = try copies.state(value.name, value.type)
      try executor.withValue(id) { bytes in try copies.withMutableBytes(of: value.name) { $0.copyMemory(from: bytes) } }
    }
    let taps = Set(
      program.calls.flatMap { $0.outputs.compactMap { $0 } }.filter { program.values[$0].role == .temporary })
    let replay = try ProgramExecutor(program, on: BackendChain([device], host: host), states: copies, taps: taps)
    for id in program.values(.input) + program.values(.step) {
      try replay.withInput(program.values[id].name) { target in
        try executor.withValue(id) { target.copyMemory(from: $0) }
      }
    }
    try replay.run()
    for call in replay.program.calls {
      for id in call.outputs.compactMap({ $0 }) where program.values[id].role == .temporary {
        let type = program.values[id].type
        guard type.elementType == .float32 else { continue }
        let isFinite = try replay.withValue(id) { $0.bindMemory(to: Float.self).allSatisfy(\.isFinite) }
        if !isFinite { return (call.label, call.path) }
      }
    }
    return nil
  }
}

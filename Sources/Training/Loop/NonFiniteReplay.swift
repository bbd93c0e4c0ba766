import SwitchbackExecution
import SwitchbackPrograms

/// Finds the operation that made the first value that is infinite or not a number.
///
/// The step is run again on a copy of the states, operation by operation with every value written. The update of the
/// step was held back, so the states are still those it started from.
enum NonFiniteReplay {
  /// The operation, such as `layers.2.conv2d`, and its layer's path.
  case operation(label: String, path: String)
  /// Here all stayed finite, the largest with this magnitude.
  case finite(largest: Float)

  static func run(_ executor: ProgramExecutor, on reference: BackendChain) throws -> NonFiniteReplay {
    let program = executor.program
    let copies = StateStore()
    for id in program.values(.state) {
      let value = program.values[id]
      _ = try copies.state(value.name, value.type)
      try executor.withValue(id) { bytes in try copies.withMutableBytes(of: value.name) { $0.copyMemory(from: bytes) } }
    }
    let taps = Set(
      program.calls.flatMap { $0.outputs.compactMap { $0 } }.filter { program.values[$0].role == .temporary })
    let replay = try ProgramExecutor(program, on: reference, states: copies, taps: taps)
    for id in program.values(.input) + program.values(.step) {
      try replay.withInput(program.values[id].name) { target in
        try executor.withValue(id) { target.copyMemory(from: $0) }
      }
    }
    try replay.run()
    var largest: Float = 0
    for call in replay.program.calls {
      for id in call.outputs.compactMap({ $0 }) where program.values[id].role == .temporary {
        let type = program.values[id].type
        guard type.elementType == .float32 else { continue }
        let most = try replay.withValue(id) { bytes in
          bytes.bindMemory(to: Float.self).reduce(0) { $1.isFinite ? max($0, abs($1)) : .infinity }
        }
        guard most.isFinite else {
          return .operation(label: call.label, path: call.path)
        }
        largest = max(largest, most)
      }
    }
    return .finite(largest: largest)
  }
}

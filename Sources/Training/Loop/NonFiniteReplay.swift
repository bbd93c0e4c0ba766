import SwitchbackExecution
import SwitchbackMonitoring
import SwitchbackPrograms

/// Finds what made the first value that is infinite or not a number: the batch, or an operation.
///
/// The step is run again on a copy of the states, operation by operation with every value written. The update of the
/// step was held back, so the states are still those it started from.
enum NonFiniteReplay {
  /// The batch has such numbers itself.
  case input(field: String, nans: Int, infinities: Int, samples: [Int])
  /// The operation, such as `layers.2.conv2d`, and its layer's path; whether it computes with states alone.
  case operation(label: String, path: String, nans: Int, infinities: Int, isOfStatesAlone: Bool)
  /// Here all stayed finite, the largest with this magnitude.
  case finite(largest: Float)

  static func run(_ executor: ProgramExecutor, on reference: BackendChain) throws -> NonFiniteReplay {
    let program = executor.program
    for id in program.values(.input) {
      if let found = try badInput(program.values[id], try executor.withValue(id) { Array($0) }) { return found }
    }
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
    // Values that the batch, or a number of the step, has a part in.
    let given = replay.program.values(.input) + replay.program.values(.step)
    var isOfBatch = Set(given)
    for call in replay.program.calls {
      if call.inputs.contains(where: isOfBatch.contains) { isOfBatch.formUnion(call.outputs.compactMap { $0 }) }
      for id in call.outputs.compactMap({ $0 }) where replay.program.values[id].role == .temporary {
        guard replay.program.values[id].type.elementType == .float32 else { continue }
        let seen = try replay.withValue(id) { Seen($0.bindMemory(to: Float.self)) }
        guard seen.isFinite else {
          return .operation(
            label: call.label, path: call.path, nans: seen.nans, infinities: seen.infinities,
            isOfStatesAlone: !call.inputs.contains(where: isOfBatch.contains))
        }
        largest = max(largest, seen.largest)
      }
    }
    return .finite(largest: largest)
  }

  private struct Seen {
    var (nans, infinities) = (0, 0)
    var largest: Float = 0
    var isFinite: Bool { nans + infinities == 0 }

    init(_ numbers: some Sequence<Float>) {
      for number in numbers {
        if number.isNaN {
          nans += 1
        } else if number.isInfinite {
          infinities += 1
        } else {
          largest = max(largest, abs(number))
        }
      }
    }
  }

  private static func badInput(_ value: Program.ValueInfo, _ bytes: [UInt8]) throws -> NonFiniteReplay? {
    guard value.type.elementType == .float32 else { return nil }
    let numbers = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let seen = Seen(numbers)
    guard !seen.isFinite else { return nil }
    let width = max(numbers.count / max(value.type.shape.extents.first ?? 1, 1), 1)
    let samples = Set(numbers.indices.filter { !numbers[$0].isFinite }.map { $0 / width }).sorted()
    return .input(field: value.name, nans: seen.nans, infinities: seen.infinities, samples: samples)
  }
}

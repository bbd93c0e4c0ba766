import SwitchbackExecution
import SwitchbackPrograms

extension ReplayFile {
  /// The smallest part of the program that `fails`: calls are dropped one by one, their results given as numbers instead
  /// (those that `reference` computes), as long as the rest still fails.
  func shrunk(on reference: BackendChain, while fails: (ReplayFile) throws -> Bool) throws -> ReplayFile {
    var smallest = self
    var index = smallest.program.calls.count - 1
    while index >= 0 {
      if let smaller = try smallest.without(call: index, on: reference), try fails(smaller) { smallest = smaller }
      index = min(index, smallest.program.calls.count) - 1
    }
    return smallest
  }

  /// Nil where the call changes a state, and so cannot be left out.
  private func without(call index: Int, on reference: BackendChain) throws -> ReplayFile? {
    let outputs = program.calls[index].outputs.compactMap { $0 }
    guard outputs.allSatisfy({ program.values[$0].role == .temporary }) else { return nil }
    let states = StateStore()
    let executor = try ProgramExecutor(program, on: reference, states: states, taps: Set(outputs))
    try executor.fill(values)
    try executor.run()
    var smaller = self
    smaller.program.calls.remove(at: index)
    for id in outputs {
      smaller.program.values[id].role = .input
      smaller.program.values[id].name = "cut\(id)"
      smaller.values["cut\(id)"] = try executor.numbers(of: id)
    }
    // What the dropped call was an output for is now told by what it was computed from.
    let wasOutput = smaller.program.outputs.contains { outputs.contains($0.value) }
    smaller.program.outputs.removeAll { outputs.contains($0.value) }
    if wasOutput {
      let told = Set(smaller.program.outputs.map(\.value))
      for id in Set(program.calls[index].inputs).subtracting(told).sorted()
      where program.values[id].role == .temporary {
        smaller.program.outputs.append(Program.Output(name: "cut\(id)/output", value: id))
      }
    }
    smaller.program = smaller.program.droppingDeadWork()
    guard !smaller.program.calls.isEmpty else { return nil }
    smaller.forgetUnusedValues()
    return smaller
  }

  /// The file names only what is used.
  package mutating func forgetUnusedValues() {
    let used = Set(program.calls.flatMap { $0.inputs + $0.outputs.compactMap { $0 } } + program.outputs.map(\.value))
    for id in program.values.indices where !used.contains(id) {
      values[program.values[id].name] = nil
      program.values[id] = Program.ValueInfo(type: .float32([]), role: .temporary, name: "")
    }
  }
}

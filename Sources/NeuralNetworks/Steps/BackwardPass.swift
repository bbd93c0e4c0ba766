import SwitchbackPrograms

/// A training step that has run backward and has not changed a weight yet.
struct BackwardPass {
  var builder: ProgramBuilder
  let layers: [LayerSummary]
  let loss: Value
  /// Of each objective: what stands before its names, its own loss, and how many of the batch are right.
  let parts: [(prefix: String, loss: Value, result: ObjectiveCalls.Result)]
  let parameters: [Parameter]
  /// The trainable weights.
  let pairs: [(parameter: Parameter, gradient: Value)]
  /// The states that layers replace, and by what.
  let replacements: [(parameter: Parameter, value: Value)]
  let gates: [Gate]
  let points: [WayPoint]
  let objectiveStates: [InitialState]

  /// Declares a state for the sum of each gradient.
  mutating func accumulators() -> [(state: InitialState, value: Value)] {
    pairs.map { pair in
      let state = InitialState(
        name: "accumulator/\(pair.parameter.name)", type: pair.parameter.type, initializer: .zeros)
      return (state, builder.state(state.name, state.type))
    }
  }

  /// accumulator ← accumulator + gradient
  mutating func accumulate() throws(ProgramError) {
    for (pair, accumulator) in zip(pairs, accumulators()) {
      builder.path = pair.parameter.path
      let sum = try builder.append(Binary(.add), accumulator.value, pair.gradient)
      try builder.append(Assign(), [accumulator.value, sum])
    }
  }

  /// accumulator ← 0
  mutating func reset(_ accumulators: [Value]) throws(ProgramError) {
    for (pair, accumulator) in zip(pairs, accumulators) {
      builder.path = pair.parameter.path
      let zeros = Fill(value: 0, shape: accumulator.shape.extents, elementType: accumulator.type.elementType)
      try builder.append(Assign(), [accumulator, builder.append(zeros)])
    }
  }

  /// Whether this batch's loss, gradients and replaced states are finite; nil where no state is replaced.
  mutating func areFinite() throws(ProgramError) -> Value? {
    guard !replacements.isEmpty else { return nil }
    builder.path = "optimizer"
    return try builder.append(AllFinite(), [loss] + pairs.map(\.gradient) + replacements.map(\.value))[0]
  }

  /// state ← allow ? value : state, for each state that a layer replaces
  mutating func replaceStates(where allow: Value?) throws(ProgramError) {
    guard let allow else { return }
    for (parameter, value) in replacements {
      builder.path = parameter.path
      let kept = try builder.append(Select(), allow, value, parameter.value)
      try builder.append(Assign(), [parameter.value, kept])
    }
  }

  /// e ← w + m·(e − w)
  mutating func average() throws(ProgramError) -> [InitialState] {
    let momentum = builder.step("averageMomentum", .float32([]))
    var states: [InitialState] = []
    for (parameter, _) in pairs {
      builder.path = parameter.path
      let state = InitialState(parameter, name: parameter.averageName)
      let average = builder.state(state.name, state.type)
      let distance = try builder.append(Binary(.subtract), average, parameter.value)
      let kept = try builder.append(Binary(.multiply), distance, momentum)
      let moved = try builder.append(Binary(.add), parameter.value, kept)
      try builder.append(Assign(), [average, moved])
      states.append(state)
    }
    return states
  }

  mutating func finishOutputs() throws(ProgramError) {
    builder.output(StepOutput.loss, loss)
    for part in parts {
      if !part.prefix.isEmpty { builder.output(part.prefix + StepOutput.loss, part.loss) }
      if let correct = part.result.correct { builder.output(part.prefix + StepOutput.correct, correct) }
      if let weights = part.result.sampleWeights {
        builder.path = part.prefix + "metrics"
        builder.output(part.prefix + StepOutput.weightSum, try builder.append(Reduce(.sum, axes: [0]), weights))
      }
    }
  }
}

extension ProgramBuilder {
  /// Moves each call from `first` on to right behind the last call that makes one of its operands, so that what a
  /// probe reads need not be kept until the end of the step. A call that reads nothing but states comes first of all: it
  /// sees them as they were. With `readsStatesLast` it comes last. Where a backend declines such calls, a plan moves them
  /// again, out of its segments: `Program.orderSinkingProbes`.
  mutating func placeBehindProducers(callsFrom first: Int, readsStatesLast: Bool) {
    var place: [Int: Int] = [:]
    for (index, call) in program.calls[..<first].enumerated() {
      for output in call.outputs { if let output { place[output] = index } }
    }
    var placed: [[Program.Call]] = Array(repeating: [], count: first)
    var (numbers, last): ([Program.Call], [Program.Call]) = ([], [])
    for call in program.calls[first...] {
      // A number that a probe computes with, or a state.
      if call.inputs.allSatisfy({ program.values[$0].role == .state && !readsStatesLast }) {
        numbers.append(call)
        for output in call.outputs { if let output { place[output] = -1 } }
        continue
      }
      let readsState = call.inputs.contains { program.values[$0].role == .state }
      let producers = call.inputs.map { id in program.values[id].role == .temporary ? place[id] : -1 }
      let latest = producers.contains(nil) ? nil : producers.compactMap { $0 }.max()
      guard !readsState, let latest, latest >= 0 else {
        last.append(call)
        continue
      }
      placed[latest].append(call)
      for output in call.outputs { if let output { place[output] = latest } }
    }
    program.calls = numbers + zip(program.calls[..<first], placed).flatMap { [$0] + $1 } + last
  }
}

import SwitchbackPrograms

/// A layer that carries states from step to step of a sequence `[N, T, …]`.
///
/// Its inputs are the sequence, or the sequence and the states before its first step, in the order of `stateNames`. Its
/// results are the outputs of all steps `[N, T, U]` or that of the last one `[N, U]`, and with `returnState` the states
/// behind the last step. A masked step keeps the states and puts out 0; the output of the last step is that of the last
/// valid one.
protocol RecurrentLayer: Layer {
  var returnSequences: Bool { get }
  var returnState: Bool { get }
  var goBackwards: Bool { get }
  var stateful: Bool { get }
  /// `state`, `carry`.
  var stateNames: [String] { get }
  /// The shape of each state without the batch.
  var stateExtents: [[Int]] { get }
  /// What is wrong with it whatever the input is; nil where nothing is.
  var fault: String? { get }

  /// Runs from `states` over a sequence, from the last step to the first where it is reversed. The first course is that of
  /// the outputs, then each state has one; at a masked step a course stays what it was.
  func run(
    _ input: Value, mask: Value?, from states: [Value], isReversed: Bool, in context: inout LayerContext
  ) throws(ProgramError) -> [StateCourse]
}

extension RecurrentLayer {
  /// What several results are called.
  var answeredNames: [String] { returnState ? ["output"] + stateNames : [] }
}

/// What a state or an output is after each step.
enum StateCourse: Hashable {
  /// `[N, T, …]`
  case sequence(Value)
  /// `[N, …]` of each step, by time.
  case steps([Value])
}

extension LayerContext {
  /// The results of a recurrent layer.
  mutating func recur(_ layer: some RecurrentLayer, _ inputs: [Value]) throws(ProgramError) -> [Value] {
    try recur(layer, inputs, isReversed: layer.goBackwards, isTurned: layer.goBackwards)
  }

  /// The results of a recurrent layer that runs in one direction; the outputs of all steps stand in the order of time, or,
  /// `isTurned`, the last first.
  mutating func recur(
    _ layer: some RecurrentLayer, _ inputs: [Value], isReversed: Bool, isTurned: Bool
  ) throws(ProgramError) -> [Value] {
    if let fault = layer.fault { throw ProgramError(fault, path: path) }
    let input = try recurrentInput(inputs, states: layer.stateNames)
    let shapes = layer.stateExtents.map { Shape([input.shape[0]] + $0) }
    let kept = try layer.stateful && learns ? keptStates(layer.stateNames, shapes) : []
    var first = Array(inputs.dropFirst())
    try require(
      first.isEmpty || !layer.stateful, "a stateful layer goes on from its own states and takes no others")
    for (index, state) in first.enumerated() where state.type != .float32(shapes[index]) {
      throw mismatch(state, takes: "\(shapes[index]) for \(layer.stateNames[index]) before the first step")
    }
    if first.isEmpty { first = kept.map(\.value) }
    if first.isEmpty {
      for shape in shapes { first.append(try append(Fill(value: 0, shape: shape.extents, elementType: .float32))) }
    }
    let mask = mask(of: input)
    let courses = try layer.run(input, mask: mask, from: first, isReversed: isReversed, in: &self)

    var last: [StateCourse: Value] = [:]
    func end(_ course: StateCourse, _ context: inout LayerContext) throws(ProgramError) -> Value {
      if let known = last[course] { return known }
      let value = try context.lastStep(of: course, isReversed: isReversed)
      last[course] = value
      return value
    }
    let output: Value
    if layer.returnSequences {
      let whole = try joinedSteps(of: courses[0])
      try setMask(mask, of: whole)
      let shown = try masked(whole)
      try setMask(mask, of: shown)
      output = try isTurned ? turned(shown) : shown
    } else {
      output = try end(courses[0], &self)
    }
    if case .steps = courses[0] { recordActivation("linear", output, output) }
    guard layer.returnState || !kept.isEmpty else { return [output] }
    let states = try courses.dropFirst().map { course throws(ProgramError) in try end(course, &self) }
    for (state, value) in zip(kept, states) { try replace(state, with: value) }
    return layer.returnState ? [output] + states : [output]
  }

  /// The sequence among the inputs, behind which all states come or none.
  func recurrentInput(_ inputs: [Value], states: [String]) throws(ProgramError) -> Value {
    guard inputs.count == 1 || inputs.count == 1 + states.count else {
      let sources = inputs.map { source(of: $0) }.joined(separator: ", ")
      throw ProgramError(
        "takes a sequence, or a sequence and the states before its first step (\(states.joined(separator: ", "))), but "
          + "gets \(inputs.count) inputs: \(sources)", path: path)
    }
    let input = inputs[0]
    guard input.shape.rank >= 3, input.type.elementType == .float32 else {
      let hint = input.shape.rank == 2 ? "put a reshape to [T, 1] before, or an embedding" : ""
      throw mismatch(input, takes: "sequences [N, T, features] (f32)", hint: hint)
    }
    guard input.shape[1] > 0 else { throw mismatch(input, takes: "sequences of at least one step") }
    return input
  }

  /// The states that a batch leaves to the next one.
  private mutating func keptStates(_ names: [String], _ shapes: [Shape]) throws(ProgramError) -> [LayerState] {
    var states: [LayerState] = []
    for (name, shape) in zip(names, shapes) {
      states.append(try state(name, shape, initializer: .zeros, isPerSample: true))
    }
    return states
  }

  /// `[N, T, …]`
  private mutating func joinedSteps(of course: StateCourse) throws(ProgramError) -> Value {
    switch course {
    case .sequence(let value): return value
    case .steps(let values):
      var steps: [Value] = []
      for value in values {
        let extents = value.shape.extents
        steps.append(try append(Reshape(shape: [extents[0], 1] + extents.dropFirst()), value))
      }
      return steps.count == 1 ? steps[0] : try builder.append(SwitchbackPrograms.Concatenate(axis: 1), steps)[0]
    }
  }

  /// `[N, …]` behind the step that was taken last.
  private mutating func lastStep(of course: StateCourse, isReversed: Bool) throws(ProgramError) -> Value {
    switch course {
    case .steps(let values): return isReversed ? values[0] : values[values.count - 1]
    case .sequence(let value): return try step(isReversed ? 0 : value.shape[1] - 1, of: value)
    }
  }

  /// Step t of `[N, T, …]`: `[N, …]`.
  mutating func step(_ t: Int, of sequence: Value) throws(ProgramError) -> Value {
    let extents = sequence.shape.extents
    let rest = Array(extents.dropFirst(2))
    let part = try append(
      Slice(starts: [0, t] + rest.map { _ in 0 }, sizes: [extents[0], 1] + rest), sequence)
    return try append(Reshape(shape: [extents[0]] + rest), part)
  }

  /// A sequence with its mask, the last step first.
  mutating func turned(_ sequence: Value) throws(ProgramError) -> Value {
    let turned = try append(Reverse(axis: 1), sequence)
    if let mask = mask(of: sequence) { try setMask(append(Reverse(axis: 1), mask), of: turned) }
    return turned
  }
}

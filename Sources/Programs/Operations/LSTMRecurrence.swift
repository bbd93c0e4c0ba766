/// The long short-term memory and its gradient.

/// The recurrence of long short-term memory over a whole sequence (Hochreiter and Schmidhuber, 1997; with the forget gate
/// of Gers, Schmidhuber and Cummins, 2000, section 3). Gates lie in the order i f c o, as Keras has them.
///
/// Operands: `projected` [N, T, 4U], the recurrent kernel R [U, 4U], h₀ and c₀ [N, U], then mask and scale as
/// `RecurrentOperation` says. Results: h and c after each step, [N, T, U], which at a masked step are those before it, and
/// the gates after their activations, [N, T, 4U], for the gradient; 0 at a masked step.
public struct LSTMRecurrence: RecurrentOperation {
  public static let name = "lstm"
  public static let law =
    "z = projected_t + (scale∘h_{t−1})·R in the order i f c o; i, f, o = recurrentActivation(z_i, z_f, z_o), "
    + "g = activation(z_c); c_t = f∘c_{t−1} + i∘g, h_t = o∘activation(c_t); where the mask is false h_t = h_{t−1}, "
    + "c_t = c_{t−1} and the gates are 0; from step T−1 to 0 if reversed; operands: projected [N,T,4U], R [U,4U], h₀, c₀ "
    + "[N,U], then, if masked, mask bool [N,T] and, if scaled, scale [N,U], which is 1 else; results: h, c [N,T,U], gates "
    + "i f g o [N,T,4U]"
  public static let specialValues = SpecialValueLaw(
    .kinks,
    nan: "a NaN of a sample is in all of its later steps, one of R in all samples; nothing of a masked step is read")
  /// Of the candidate and of the cell's state.
  public var activation: UnaryFunction
  /// Of the three gates.
  public var recurrentActivation: UnaryFunction
  public var isMasked: Bool
  public var isReversed: Bool
  public var isScaled: Bool

  public init(
    activation: UnaryFunction = .tanh, recurrentActivation: UnaryFunction = .sigmoid, isMasked: Bool = false,
    isReversed: Bool = false, isScaled: Bool = false
  ) {
    (self.activation, self.recurrentActivation) = (activation, recurrentActivation)
    (self.isMasked, self.isReversed, self.isScaled) = (isMasked, isReversed, isScaled)
  }

  public static let termsPerUnit = 1
  public var operandCount: Int { 4 }

  private static func sample(_ form: RecurrentCase) -> OperationSample {
    let (samples, steps, units) = (form.samples, form.steps, form.units)
    return form.sample(
      LSTMRecurrence(
        activation: form.activation, recurrentActivation: form.recurrentActivation, isMasked: form.mask != nil,
        isReversed: form.isReversed, isScaled: form.isScaled),
      [
        ([samples, steps, 4 * units], .range(-2, 2)), ([units, 4 * units], form.kernel),
        ([samples, units], RecurrentCase.states), ([samples, units], RecurrentCase.states),
      ])
  }

  public static var samples: [OperationSample] { RecurrentCase.small.map(sample) }
  public static var furtherSamples: [OperationSample] { RecurrentCase.long.map { sample($0).forNumbers } }
  public static func questions(on sample: OperationSample) -> [SampleQuestion] {
    recurrentQuestions(on: sample, isWide: true)
  }

  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    guard let (projected, kernel, first) = try growth.sequence(gates: 4) else { return nil }
    let recurrence = LSTMRecurrence(isReversed: growth.next(2) == 0)
    let results = try growth.builder.append(recurrence, [projected, kernel, first, first])
    return try growth.bounded(growth.builder.append(Binary(.add), results[0], results[1]))
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    let form = try form(of: inputs)
    let states = inputs[0].with(shape: form.sequence())
    return [states, states, inputs[0]]
  }

  public func form(of inputs: [TensorType]) throws(ProgramError) -> RecurrentForm {
    try form(inputs, gates: 4) {
      [
        ("projected", $0.sequence(gates: 4)), ("the recurrent kernel", $0.kernel(gates: 4)),
        ("the first state", $0.state), ("the cell's first state", $0.state),
      ]
    }
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    guard call.upstream[2] == nil else {
      return .stops(reason: "the gates are for the gradient of h and c and have none of their own")
    }
    let form = try form(of: call.inputs.map(\.type))
    let (kernel, h) = (call.inputs[1], call.outputs[0])
    let dh: Value
    if let upstream = call.upstream[0] {
      dh = upstream
    } else {
      dh = try builder.append(Fill(value: 0, shape: h.shape.extents, elementType: h.type.elementType))
    }
    let dc = call.upstream[1]
    let backward = LSTMRecurrenceBackward(
      activation: activation, recurrentActivation: recurrentActivation, hasCellGradient: dc != nil, isMasked: isMasked,
      isReversed: isReversed, isScaled: isScaled)
    let further = call.inputs[operandCount...]
    let made = try builder.append(
      backward, [call.outputs[1], call.outputs[2], kernel, call.inputs[3], dh] + (dc.map { [$0] } ?? []) + further)
    var results: [Value?] = [made[0], nil, made[1], made[2]] + further.map { _ in nil }
    try addKernelGradients(to: &results, of: call, form, delta: made[0], in: &builder)
    return .flows(results)
  }

  public func decomposition(
    of operands: [Value], in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Decomposition {
    let way = way(try form(of: operands.map(\.type)), operands)
    if let reason = way.reason { return .none(reason: reason) }
    var (h, c) = (operands[2], operands[3])
    var (states, cells, gates): ([Int: Value], [Int: Value], [Int: Value]) = ([:], [:], [:])
    for t in way.times {
      let product = try builder.append(MatrixMultiplication(), way.scaled(h, in: &builder), operands[1])
      let z = try builder.append(Binary(.add), way.step(t, of: operands[0], in: &builder), product)
      let both = try recurrentActivation.applied(to: way.gates(0..<2, of: z, in: &builder), in: &builder)
      let g = try activation.applied(to: way.gates(2..<3, of: z, in: &builder), in: &builder)
      let o = try recurrentActivation.applied(to: way.gates(3..<4, of: z, in: &builder), in: &builder)
      let kept = try builder.append(Binary(.multiply), way.gates(1..<2, of: both, in: &builder), c)
      let added = try builder.append(Binary(.multiply), way.gates(0..<1, of: both, in: &builder), g)
      let cell = try builder.append(Binary(.add), kept, added)
      let state = try builder.append(Binary(.multiply), o, activation.applied(to: cell, in: &builder))
      let all = try builder.append(Concatenate(axis: 1), both, g, o)
      gates[t] = try way.unlessMasked(all, at: t, in: &builder)
      c = try way.unlessMasked(cell, at: t, else: c, in: &builder)
      h = try way.unlessMasked(state, at: t, else: h, in: &builder)
      (states[t], cells[t]) = (h, c)
    }
    return .results([
      try way.sequence(of: states, in: &builder), try way.sequence(of: cells, in: &builder),
      try way.sequence(of: gates, in: &builder),
    ])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    guard let form = try? form(of: inputs), let outputs = try? outputTypes(for: inputs) else {
      return Cost(flops: 0, bytes: 0)
    }
    return form.cost(inputs, outputs, gates: 4, others: 13)
  }
}

/// The gradient of `LSTMRecurrence` backwards through time: δ_t of what stands in the activations, and that of h₀ and c₀.
///
/// Operands: the cell's states c [N, T, U] and the gates [N, T, 4U], R, c₀, dh [N, T, U], dc [N, T, U] where the cell's
/// states are read too, then mask and scale as in `lstm`. The kernel's gradient is one product over all steps,
/// hPreviousᵀ·δ, which `gradient(of:)` appends. (Graves, *Supervised Sequence Labelling*, 2012, section 4.6, without
/// peepholes.)
public struct LSTMRecurrenceBackward: RecurrentOperation {
  public static let name = "lstm/backward"
  public static let law =
    "from the last step of lstm to the first: a_t = dh_t + b_{t+1}, m_t = dc_t + e_{t+1}; s = activation(c_t); "
    + "w = m_t + (a_t∘o)∘activation′(s); δ_t = [w∘g∘recurrentActivation′(i), w∘c_{t−1}∘recurrentActivation′(f), "
    + "w∘i∘activation′(g), a_t∘s∘recurrentActivation′(o)]; b_t = scale∘(δ_t·Rᵀ), e_t = w∘f; where the mask is false "
    + "δ_t = 0, b_t = a_t, e_t = m_t; derivatives as in rnn/backward; operands: c [N,T,U], gates i f g o [N,T,4U], R, c₀, "
    + "dh [N,T,U], if hasCellGradient dc [N,T,U], which is 0 else, then mask and scale as in lstm; results: δ [N,T,4U], "
    + "dh₀ = b and dc₀ = e of the first step [N,U]"
  public static let specialValues = SpecialValueLaw(
    .kinks,
    nan:
      "a NaN of a sample is in all steps before, one of R in all samples; at a masked step dh and dc alone are read; the "
      + "shut gate of relu stops a NaN of what it multiplies")
  public var activation: UnaryFunction
  public var recurrentActivation: UnaryFunction
  /// Whether dc is an operand.
  public var hasCellGradient: Bool
  public var isMasked: Bool
  public var isReversed: Bool
  public var isScaled: Bool

  public init(
    activation: UnaryFunction = .tanh, recurrentActivation: UnaryFunction = .sigmoid, hasCellGradient: Bool = false,
    isMasked: Bool = false, isReversed: Bool = false, isScaled: Bool = false
  ) {
    (self.activation, self.recurrentActivation) = (activation, recurrentActivation)
    self.hasCellGradient = hasCellGradient
    (self.isMasked, self.isReversed, self.isScaled) = (isMasked, isReversed, isScaled)
  }

  public static let termsPerUnit = 4
  public var operandCount: Int { hasCellGradient ? 6 : 5 }

  /// Every other case has a gradient of the cell's states too.
  private static func sample(_ index: Int, _ form: RecurrentCase) -> OperationSample {
    let (samples, steps, units) = (form.samples, form.steps, form.units)
    let sequence = [samples, steps, units]
    let operation = LSTMRecurrenceBackward(
      activation: form.activation, recurrentActivation: form.recurrentActivation, hasCellGradient: index % 2 == 1,
      isMasked: form.mask != nil, isReversed: form.isReversed, isScaled: form.isScaled)
    return form.sample(
      operation,
      [
        (sequence, .range(-2, 2)), ([samples, steps, 4 * units], RecurrentCase.results(of: form.recurrentActivation)),
        ([units, 4 * units], form.kernel), ([samples, units], RecurrentCase.states), (sequence, RecurrentCase.gradient),
      ] + (operation.hasCellGradient ? [(sequence, RecurrentCase.gradient)] : []))
  }

  public static var samples: [OperationSample] { RecurrentCase.small.enumerated().map(sample) }
  public static var furtherSamples: [OperationSample] {
    RecurrentCase.long.enumerated().map { sample($0, $1).forNumbers }
  }
  public static func questions(on sample: OperationSample) -> [SampleQuestion] {
    recurrentQuestions(on: sample, isWide: false)
  }
  public static let randomProgramPart = RandomProgramPart.absent(
    reason: "it stands behind lstm: training steps have it")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    let form = try form(of: inputs)
    let state = inputs[0].with(shape: form.state)
    return [inputs[1], state, state]
  }

  public func form(of inputs: [TensorType]) throws(ProgramError) -> RecurrentForm {
    try form(inputs, gates: 1) {
      [
        ("c", $0.sequence()), ("the gates", $0.sequence(gates: 4)), ("the recurrent kernel", $0.kernel(gates: 4)),
        ("the cell's first state", $0.state), ("dh", $0.sequence()),
      ] + (hasCellGradient ? [("dc", $0.sequence())] : [])
    }
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "second derivatives of recurrences are not built")
  }

  public func decomposition(
    of operands: [Value], in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Decomposition {
    let way = way(try form(of: operands.map(\.type)), operands)
    if let reason = way.reason { return .none(reason: reason) }
    let (cells, gates, kernel, first) = (operands[0], operands[1], operands[2], operands[3])
    var deltas: [Int: Value] = [:]
    // What arrives from the step after, at the state and at the cell's.
    var (back, cellBack): (Value?, Value?)
    for (index, t) in way.times.enumerated().reversed() {
      let own = try way.step(t, of: operands[4], in: &builder)
      let arriving = try way.sum(own, back, in: &builder) ?? own
      let ownCell = hasCellGradient ? try way.step(t, of: operands[5], in: &builder) : nil
      let cellArriving = try way.sum(ownCell, cellBack, in: &builder)
      let before = index == 0 ? first : try way.step(way.times[index - 1], of: cells, in: &builder)

      let all = try way.step(t, of: gates, in: &builder)
      let both = try way.gates(0..<2, of: all, in: &builder)
      let (i, f) = (try way.gates(0..<1, of: all, in: &builder), try way.gates(1..<2, of: all, in: &builder))
      let (g, o) = (try way.gates(2..<3, of: all, in: &builder), try way.gates(3..<4, of: all, in: &builder))
      let cell = try activation.applied(to: way.step(t, of: cells, in: &builder), in: &builder)
      let ofState = try activation.recurrentGradient(
        cell, builder.append(Binary(.multiply), arriving, o), in: &builder)
      let dCell = try way.sum(cellArriving, ofState, in: &builder) ?? ofState

      let dBoth = try builder.append(
        Concatenate(axis: 1), builder.append(Binary(.multiply), dCell, g),
        builder.append(Binary(.multiply), dCell, before))
      let delta = try builder.append(
        Concatenate(axis: 1),
        recurrentActivation.recurrentGradient(both, dBoth, in: &builder),
        activation.recurrentGradient(g, builder.append(Binary(.multiply), dCell, i), in: &builder),
        recurrentActivation.recurrentGradient(o, builder.append(Binary(.multiply), arriving, cell), in: &builder))
      let kept = try way.unlessMasked(delta, at: t, in: &builder)
      let product = try builder.append(MatrixMultiplication(transposeB: true), kept, kernel)
      let through = try builder.append(Binary(.multiply), dCell, f)
      deltas[t] = kept
      back = try way.unlessMasked(way.scaled(product, in: &builder), at: t, else: arriving, in: &builder)
      if let cellArriving {
        cellBack = try way.unlessMasked(through, at: t, else: cellArriving, in: &builder)
      } else {
        cellBack = try way.unlessMasked(through, at: t, in: &builder)
      }
    }
    guard let back, let cellBack else { throw ProgramError("a recurrence of no steps") }
    return .results([try way.sequence(of: deltas, in: &builder), back, cellBack])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    guard let form = try? form(of: inputs), let outputs = try? outputTypes(for: inputs) else {
      return Cost(flops: 0, bytes: 0)
    }
    return form.cost(inputs, outputs, gates: 4, others: 25)
  }
}

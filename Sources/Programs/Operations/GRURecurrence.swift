/// The gated recurrent unit and its gradient.

/// The recurrence of gated recurrent units over a whole sequence. Gates lie in the order z r h, as Keras has them.
///
/// With `resetAfter` the reset gate multiplies the candidate's product, which has a bias of its own (the form of cuDNN and
/// of PyTorch); without, it multiplies the state before the product (Cho and others, 2014, equations 5 to 8).
///
/// Operands: `projected` [N, T, 3U], the recurrent kernel R [U, 3U], with `resetAfter` the recurrent bias [3U], h₀ [N, U],
/// then mask and scale as `RecurrentOperation` says. Results: h after each step, [N, T, U], which at a masked step is that
/// before it; the gates after their activations, [N, T, 3U], and with `resetAfter` the candidate's inner product
/// [N, T, U], both for the gradient and 0 at a masked step.
public struct GRURecurrence: RecurrentOperation {
  public static let name = "gru"
  public static let law =
    "x = projected_t, q = scale∘h_{t−1}, in the order z r h; if resetAfter m = q·R + recurrentBias, z, r = "
    + "recurrentActivation(x_z + m_z, x_r + m_r), g = activation(x_h + r∘m_h), else z, r = recurrentActivation(x_z + "
    + "q·R_z, x_r + q·R_r), g = activation(x_h + (r∘q)·R_h); h_t = z∘h_{t−1} + (1 − z)∘g; where the mask is false "
    + "h_t = h_{t−1}, gates and m_h are 0; from step T−1 to 0 if reversed; operands: projected [N,T,3U], R [U,3U], if "
    + "resetAfter recurrentBias [3U], h₀ [N,U], then, if masked, mask bool [N,T] and, if scaled, scale [N,U], which is 1 "
    + "else; results: h [N,T,U], gates z r g [N,T,3U], if resetAfter m_h [N,T,U]"
  public static let specialValues = SpecialValueLaw(
    .kinks,
    nan: "a NaN of a sample is in all of its later steps, one of R in all samples; nothing of a masked step is read")
  /// Of the candidate.
  public var activation: UnaryFunction
  /// Of the two gates.
  public var recurrentActivation: UnaryFunction
  /// Whether the reset gate follows the candidate's product.
  public var resetAfter: Bool
  public var isMasked: Bool
  public var isReversed: Bool
  public var isScaled: Bool

  public init(
    activation: UnaryFunction = .tanh, recurrentActivation: UnaryFunction = .sigmoid, resetAfter: Bool = true,
    isMasked: Bool = false, isReversed: Bool = false, isScaled: Bool = false
  ) {
    (self.activation, self.recurrentActivation, self.resetAfter) = (activation, recurrentActivation, resetAfter)
    (self.isMasked, self.isReversed, self.isScaled) = (isMasked, isReversed, isScaled)
  }

  public static let termsPerUnit = 1
  public var operandCount: Int { resetAfter ? 4 : 3 }

  private static func sample(_ form: RecurrentCase, _ resetAfter: Bool) -> OperationSample {
    let (samples, steps, units) = (form.samples, form.steps, form.units)
    return form.sample(
      GRURecurrence(
        activation: form.activation, recurrentActivation: form.recurrentActivation, resetAfter: resetAfter,
        isMasked: form.mask != nil, isReversed: form.isReversed, isScaled: form.isScaled),
      [([samples, steps, 3 * units], .range(-2, 2)), ([units, 3 * units], form.kernel)]
        + (resetAfter ? [([3 * units], RecurrentCase.states)] : []) + [([samples, units], RecurrentCase.states)])
  }

  public static var samples: [OperationSample] {
    RecurrentCase.small.map { sample($0, true) }
      + RecurrentCase.small.enumerated().filter { $0.offset % 2 == 1 }.map { sample($0.element, false) }
  }
  public static var furtherSamples: [OperationSample] {
    RecurrentCase.long.enumerated().map { sample($1, $0 % 5 != 1).forNumbers }
  }
  public static func questions(on sample: OperationSample) -> [SampleQuestion] {
    recurrentQuestions(on: sample, isWide: true)
  }

  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    guard let (projected, kernel, first) = try growth.sequence(gates: 3) else { return nil }
    let bias = try growth.builder.append(
      Fill(value: -0.25, shape: [kernel.shape[1]], elementType: .float32))
    let (isReversed, resetAfter) = (growth.next(2) == 0, growth.next(2) == 0)
    return try growth.builder.append(
      GRURecurrence(resetAfter: resetAfter, isReversed: isReversed),
      [projected, kernel] + (resetAfter ? [bias] : []) + [first])[0]
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    let form = try form(of: inputs)
    let states = inputs[0].with(shape: form.sequence())
    return [states, inputs[0]] + (resetAfter ? [states] : [])
  }

  public func form(of inputs: [TensorType]) throws(ProgramError) -> RecurrentForm {
    try form(inputs, gates: 3) {
      [("projected", $0.sequence(gates: 3)), ("the recurrent kernel", $0.kernel(gates: 3))]
        + (resetAfter ? [("the recurrent bias", Shape([3 * $0.units]))] : []) + [("the first state", $0.state)]
    }
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    guard call.upstream[1...].allSatisfy({ $0 == nil }), let dh = call.upstream[0] else {
      return .stops(reason: "the gates and the inner product are for the gradient of h and have none of their own")
    }
    let form = try form(of: call.inputs.map(\.type))
    let (kernel, first, h) = (call.inputs[1], call.inputs[operandCount - 1], call.outputs[0])
    let backward = GRURecurrenceBackward(
      activation: activation, recurrentActivation: recurrentActivation, resetAfter: resetAfter, isMasked: isMasked,
      isReversed: isReversed, isScaled: isScaled)
    let made = try builder.append(
      backward, call.outputs + [kernel, first, dh] + call.inputs[operandCount...])
    var results: [Value?] = call.inputs.map { _ in nil }
    (results[0], results[operandCount - 1]) = (made[0], made[made.count - 1])
    if resetAfter, call.isNeeded[2] { results[2] = try builder.append(Reduce(.sum, axes: [0, 1]), made[1]) }
    let isScaleNeeded = scaleOperand.map { call.isNeeded[$0] } ?? false
    guard call.isNeeded[1] || isScaleNeeded else { return .flows(results) }

    let previous = try form.previous(h, first: first, isReversed: isReversed, in: &builder)
    let scaled = try form.scaled(previous, by: scaleOperand.map { call.inputs[$0] }, in: &builder)
    var dScaled: Value?
    if resetAfter {
      if call.isNeeded[1] { results[1] = try form.kernelGradient(scaled, made[1], in: &builder) }
      if isScaleNeeded { dScaled = try form.backThrough(kernel, made[1], in: &builder) }
    } else {
      // The candidate's part of R has the reset state before it.
      let gates = try form.sequenceGates(0..<2, of: made[0], in: &builder)
      let candidate = try form.sequenceGates(2..<3, of: made[0], in: &builder)
      let reset = try form.sequenceGates(1..<2, of: call.outputs[1], in: &builder)
      if call.isNeeded[1] {
        let resetState = try builder.append(Binary(.multiply), reset, scaled)
        results[1] = try builder.append(
          Concatenate(axis: 1), form.kernelGradient(scaled, gates, in: &builder),
          form.kernelGradient(resetState, candidate, in: &builder))
      }
      if isScaleNeeded {
        let (ofGates, ofCandidate) = try form.kernelParts(kernel, in: &builder)
        let dReset = try builder.append(
          Binary(.multiply), reset, form.backThrough(ofCandidate, candidate, in: &builder))
        dScaled = try builder.append(Binary(.add), form.backThrough(ofGates, gates, in: &builder), dReset)
      }
    }
    if let scaleOperand, let dScaled {
      results[scaleOperand] = try form.scaleGradient(previous, dScaled, in: &builder)
    }
    return .flows(results)
  }

  public func decomposition(
    of operands: [Value], in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Decomposition {
    let form = try form(of: operands.map(\.type))
    let way = way(form, operands)
    if let reason = way.reason { return .none(reason: reason) }
    let one = try builder.scalar(1, operands[0].type.elementType)
    let parts = resetAfter ? nil : try form.kernelParts(operands[1], in: &builder)
    var h = operands[operandCount - 1]
    var (states, gates, inner): ([Int: Value], [Int: Value], [Int: Value]) = ([:], [:], [:])
    for t in way.times {
      let x = try way.step(t, of: operands[0], in: &builder)
      let (xGates, xCandidate) = (
        try way.gates(0..<2, of: x, in: &builder), try way.gates(2..<3, of: x, in: &builder)
      )
      let q = try way.scaled(h, in: &builder)
      let both: Value
      let ofCandidate: Value
      if let parts {
        let product = try builder.append(MatrixMultiplication(), q, parts.gates)
        both = try recurrentActivation.applied(
          to: builder.append(Binary(.add), xGates, product), in: &builder)
        let reset = try builder.append(Binary(.multiply), way.gates(1..<2, of: both, in: &builder), q)
        ofCandidate = try builder.append(MatrixMultiplication(), reset, parts.candidate)
      } else {
        let product = try builder.append(MatrixMultiplication(), q, operands[1])
        let m = try builder.append(Binary(.add), product, operands[2])
        both = try recurrentActivation.applied(
          to: builder.append(Binary(.add), xGates, way.gates(0..<2, of: m, in: &builder)), in: &builder)
        let candidate = try way.gates(2..<3, of: m, in: &builder)
        ofCandidate = try builder.append(Binary(.multiply), way.gates(1..<2, of: both, in: &builder), candidate)
        inner[t] = try way.unlessMasked(candidate, at: t, in: &builder)
      }
      let g = try activation.applied(to: builder.append(Binary(.add), xCandidate, ofCandidate), in: &builder)
      let z = try way.gates(0..<1, of: both, in: &builder)
      let kept = try builder.append(Binary(.multiply), z, h)
      let added = try builder.append(Binary(.multiply), builder.append(Binary(.subtract), one, z), g)
      let state = try builder.append(Binary(.add), kept, added)
      gates[t] = try way.unlessMasked(builder.append(Concatenate(axis: 1), both, g), at: t, in: &builder)
      h = try way.unlessMasked(state, at: t, else: h, in: &builder)
      states[t] = h
    }
    let results = [
      try way.sequence(of: states, in: &builder), try way.sequence(of: gates, in: &builder),
    ]
    return .results(resetAfter ? results + [try way.sequence(of: inner, in: &builder)] : results)
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    guard let form = try? form(of: inputs), let outputs = try? outputTypes(for: inputs) else {
      return Cost(flops: 0, bytes: 0)
    }
    return form.cost(inputs, outputs, gates: 3, others: 14)
  }
}

/// The gradient of `GRURecurrence` backwards through time: δ_t of `projected`, that of the product with R where it differs,
/// and that of h₀.
///
/// Operands: the results of `gru`, R, h₀, dh [N, T, U], then mask and scale as there. The kernel's gradient is one product
/// over all steps, hPreviousᵀ·dm (without `resetAfter` two: the candidate's has the reset state), which `gradient(of:)`
/// appends.
public struct GRURecurrenceBackward: RecurrentOperation {
  public static let name = "gru/backward"
  public static let law =
    "from the last step of gru to the first: a_t = dh_t + b_{t+1}; δ_h = (a_t∘(1 − z))∘activation′(g), "
    + "δ_z = (a_t∘(h_{t−1} − g))∘recurrentActivation′(z); if resetAfter δ_r = (δ_h∘m_h)∘recurrentActivation′(r), "
    + "dm = [δ_z, δ_r, δ_h∘r], b_t = a_t∘z + scale∘(dm·Rᵀ), else u = δ_h·R_hᵀ, "
    + "δ_r = (u∘scale∘h_{t−1})∘recurrentActivation′(r), b_t = a_t∘z + scale∘([δ_z, δ_r]·[R_z, R_r]ᵀ + u∘r); δ_t = "
    + "[δ_z, δ_r, δ_h]; where the mask is false δ_t = dm = 0 and b_t = a_t; derivatives as in rnn/backward; operands: h "
    + "[N,T,U], gates z r g [N,T,3U], if resetAfter m_h [N,T,U], R, h₀, dh [N,T,U], then mask and scale as in gru; results: "
    + "δ [N,T,3U], if resetAfter dm [N,T,3U], dh₀ = b of the first step [N,U]"
  public static let specialValues = SpecialValueLaw(
    .kinks,
    nan:
      "a NaN of a sample is in all steps before, one of R in all samples; at a masked step dh alone is read; the shut gate "
      + "of relu stops a NaN of what it multiplies")
  public var activation: UnaryFunction
  public var recurrentActivation: UnaryFunction
  public var resetAfter: Bool
  public var isMasked: Bool
  public var isReversed: Bool
  public var isScaled: Bool

  public init(
    activation: UnaryFunction = .tanh, recurrentActivation: UnaryFunction = .sigmoid, resetAfter: Bool = true,
    isMasked: Bool = false, isReversed: Bool = false, isScaled: Bool = false
  ) {
    (self.activation, self.recurrentActivation, self.resetAfter) = (activation, recurrentActivation, resetAfter)
    (self.isMasked, self.isReversed, self.isScaled) = (isMasked, isReversed, isScaled)
  }

  public static let termsPerUnit = 3
  public var operandCount: Int { resetAfter ? 6 : 5 }

  private static func sample(_ form: RecurrentCase, _ resetAfter: Bool) -> OperationSample {
    let (samples, steps, units) = (form.samples, form.steps, form.units)
    let sequence = [samples, steps, units]
    return form.sample(
      GRURecurrenceBackward(
        activation: form.activation, recurrentActivation: form.recurrentActivation, resetAfter: resetAfter,
        isMasked: form.mask != nil, isReversed: form.isReversed, isScaled: form.isScaled),
      [
        (sequence, RecurrentCase.states),
        ([samples, steps, 3 * units], RecurrentCase.results(of: form.recurrentActivation)),
      ] + (resetAfter ? [(sequence, RecurrentCase.states)] : []) + [
        ([units, 3 * units], form.kernel), ([samples, units], RecurrentCase.states), (sequence, RecurrentCase.gradient),
      ])
  }

  public static var samples: [OperationSample] {
    RecurrentCase.small.map { sample($0, true) }
      + RecurrentCase.small.enumerated().filter { $0.offset % 2 == 1 }.map { sample($0.element, false) }
  }
  public static var furtherSamples: [OperationSample] {
    RecurrentCase.long.enumerated().map { sample($1, $0 % 5 != 1).forNumbers }
  }
  public static func questions(on sample: OperationSample) -> [SampleQuestion] {
    recurrentQuestions(on: sample, isWide: false)
  }
  public static let randomProgramPart = RandomProgramPart.absent(
    reason: "it stands behind gru: training steps have it")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    let form = try form(of: inputs)
    return [inputs[1]] + (resetAfter ? [inputs[1]] : []) + [inputs[0].with(shape: form.state)]
  }

  public func form(of inputs: [TensorType]) throws(ProgramError) -> RecurrentForm {
    try form(inputs, gates: 1) {
      [("h", $0.sequence()), ("the gates", $0.sequence(gates: 3))]
        + (resetAfter ? [("the inner product", $0.sequence())] : []) + [
          ("the recurrent kernel", $0.kernel(gates: 3)), ("the first state", $0.state), ("dh", $0.sequence()),
        ]
    }
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "second derivatives of recurrences are not built")
  }

  public func decomposition(
    of operands: [Value], in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Decomposition {
    let form = try form(of: operands.map(\.type))
    let way = way(form, operands)
    if let reason = way.reason { return .none(reason: reason) }
    let (h, gates) = (operands[0], operands[1])
    let (kernel, first, dh) = (operands[operandCount - 3], operands[operandCount - 2], operands[operandCount - 1])
    let one = try builder.scalar(1, h.type.elementType)
    let parts = resetAfter ? nil : try form.kernelParts(kernel, in: &builder)
    var (deltas, inner): ([Int: Value], [Int: Value]) = ([:], [:])
    var back: Value?
    for (index, t) in way.times.enumerated().reversed() {
      let own = try way.step(t, of: dh, in: &builder)
      let arriving = try way.sum(own, back, in: &builder) ?? own
      let before = index == 0 ? first : try way.step(way.times[index - 1], of: h, in: &builder)
      let all = try way.step(t, of: gates, in: &builder)
      let both = try way.gates(0..<2, of: all, in: &builder)
      let (z, r) = (try way.gates(0..<1, of: all, in: &builder), try way.gates(1..<2, of: all, in: &builder))
      let g = try way.gates(2..<3, of: all, in: &builder)

      let dCandidate = try builder.append(
        Binary(.multiply), arriving, builder.append(Binary(.subtract), one, z))
      let delta = try activation.recurrentGradient(g, dCandidate, in: &builder)
      let dUpdate = try builder.append(
        Binary(.multiply), arriving, builder.append(Binary(.subtract), before, g))
      let dReset: Value
      var throughReset: Value?
      if let parts {
        let u = try builder.append(MatrixMultiplication(transposeB: true), delta, parts.candidate)
        dReset = try builder.append(Binary(.multiply), u, way.scaled(before, in: &builder))
        throughReset = try builder.append(Binary(.multiply), u, r)
      } else {
        dReset = try builder.append(Binary(.multiply), delta, way.step(t, of: operands[2], in: &builder))
      }
      let dBoth = try recurrentActivation.recurrentGradient(
        both, builder.append(Concatenate(axis: 1), dUpdate, dReset), in: &builder)
      let product: Value
      if let parts, let throughReset {
        let ofGates = try builder.append(MatrixMultiplication(transposeB: true), dBoth, parts.gates)
        product = try builder.append(Binary(.add), ofGates, throughReset)
      } else {
        let dProduct = try builder.append(
          Concatenate(axis: 1), dBoth, builder.append(Binary(.multiply), delta, r))
        product = try builder.append(MatrixMultiplication(transposeB: true), dProduct, kernel)
        inner[t] = try way.unlessMasked(dProduct, at: t, in: &builder)
      }
      let state = try builder.append(
        Binary(.add), builder.append(Binary(.multiply), arriving, z), way.scaled(product, in: &builder))
      let whole = try builder.append(Concatenate(axis: 1), dBoth, delta)
      deltas[t] = try way.unlessMasked(whole, at: t, in: &builder)
      back = try way.unlessMasked(state, at: t, else: arriving, in: &builder)
    }
    guard let back else { throw ProgramError("a recurrence of no steps") }
    let delta = try way.sequence(of: deltas, in: &builder)
    return .results(resetAfter ? [delta, try way.sequence(of: inner, in: &builder), back] : [delta, back])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    guard let form = try? form(of: inputs), let outputs = try? outputTypes(for: inputs) else {
      return Cost(flops: 0, bytes: 0)
    }
    return form.cost(inputs, outputs, gates: 3, others: 22)
  }
}

extension RecurrentForm {
  /// R_z and R_r together, and R_h.
  fileprivate func kernelParts(
    _ kernel: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> (gates: Value, candidate: Value) {
    (
      try builder.append(Slice(starts: [0, 0], sizes: [units, 2 * units]), kernel),
      try builder.append(Slice(starts: [0, 2 * units], sizes: [units, units]), kernel)
    )
  }

  /// Gates next to one another of [N, T, gates·U].
  fileprivate func sequenceGates(
    _ range: Range<Int>, of all: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    try builder.append(
      Slice(starts: [0, 0, range.lowerBound * units], sizes: [samples, steps, range.count * units]), all)
  }
}

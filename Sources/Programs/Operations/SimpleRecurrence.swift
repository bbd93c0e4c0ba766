/// The simple recurrence and its gradient.

/// h_t = activation(projected_t + h_{t−1}·R), over a whole sequence (Elman, 1990).
///
/// Operands: `projected` [N, T, U], the recurrent kernel R [U, U], h₀ [N, U], then mask and scale as `RecurrentOperation`
/// says. Result: the state after each step, [N, T, U]; at a masked step that is the state before it.
public struct SimpleRecurrence: RecurrentOperation {
  public static let name = "rnn"
  public static let law =
    "h_t = activation(projected_t + (scale∘h_{t−1})·R), where the mask is false h_t = h_{t−1}; from step T−1 to 0 if "
    + "reversed; operands: projected [N,T,U], R [U,U], h₀ [N,U], then, if masked, mask bool [N,T] and, if scaled, scale "
    + "[N,U], which is 1 else; result: h [N,T,U]"
  public static let specialValues = SpecialValueLaw(
    .kinks,
    nan: "a NaN of a sample is in all of its later steps, one of R in all samples; nothing of a masked step is read")
  public var activation: UnaryFunction
  public var isMasked: Bool
  public var isReversed: Bool
  public var isScaled: Bool

  public init(
    activation: UnaryFunction = .tanh, isMasked: Bool = false, isReversed: Bool = false, isScaled: Bool = false
  ) {
    self.activation = activation
    (self.isMasked, self.isReversed, self.isScaled) = (isMasked, isReversed, isScaled)
  }

  public static let termsPerUnit = 1
  public var operandCount: Int { 3 }

  private static func sample(_ form: RecurrentCase) -> OperationSample {
    let (samples, steps, units) = (form.samples, form.steps, form.units)
    return form.sample(
      SimpleRecurrence(
        activation: form.activation, isMasked: form.mask != nil, isReversed: form.isReversed, isScaled: form.isScaled),
      [
        ([samples, steps, units], .range(-2, 2)), ([units, units], form.kernel),
        ([samples, units], RecurrentCase.states),
      ])
  }

  public static var samples: [OperationSample] { RecurrentCase.small.map(sample) }
  public static var furtherSamples: [OperationSample] { RecurrentCase.long.map { sample($0).forNumbers } }
  public static func questions(on sample: OperationSample) -> [SampleQuestion] {
    recurrentQuestions(on: sample, isWide: true)
  }

  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    guard let (projected, kernel, first) = try growth.sequence(gates: 1) else { return nil }
    return try growth.builder.append(
      SimpleRecurrence(isReversed: growth.next(2) == 0), projected, kernel, first)
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    let form = try form(of: inputs)
    return [inputs[0].with(shape: form.sequence())]
  }

  public func form(of inputs: [TensorType]) throws(ProgramError) -> RecurrentForm {
    try form(inputs, gates: 1) {
      [("projected", $0.sequence()), ("the recurrent kernel", $0.kernel(gates: 1)), ("the first state", $0.state)]
    }
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    guard let dh = call.upstream[0] else { return .flows(call.inputs.map { _ in nil }) }
    let form = try form(of: call.inputs.map(\.type))
    let backward = SimpleRecurrenceBackward(
      activation: activation, isMasked: isMasked, isReversed: isReversed, isScaled: isScaled)
    let made = try builder.append(backward, [call.outputs[0], call.inputs[1], dh] + call.inputs[operandCount...])
    var results: [Value?] = [made[0], nil, made[1]] + call.inputs[operandCount...].map { _ in nil }
    try addKernelGradients(to: &results, of: call, form, delta: made[0], in: &builder)
    return .flows(results)
  }

  public func decomposition(
    of operands: [Value], in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Decomposition {
    let way = way(try form(of: operands.map(\.type)), operands)
    if let reason = way.reason { return .none(reason: reason) }
    var h = operands[2]
    var states: [Int: Value] = [:]
    for t in way.times {
      let product = try builder.append(MatrixMultiplication(), way.scaled(h, in: &builder), operands[1])
      let sum = try builder.append(Binary(.add), way.step(t, of: operands[0], in: &builder), product)
      h = try way.unlessMasked(activation.applied(to: sum, in: &builder), at: t, else: h, in: &builder)
      states[t] = h
    }
    return .results([try way.sequence(of: states, in: &builder)])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    guard let form = try? form(of: inputs) else { return Cost(flops: 0, bytes: 0) }
    return form.cost(inputs, [inputs[0]], gates: 1, others: 2)
  }
}

/// The gradient of `SimpleRecurrence` backwards through time: δ_t of what stands in the activation, and that of h₀.
///
/// Operands: the states h [N, T, U], R, dh [N, T, U], then mask and scale as in `rnn`. The kernel's gradient is one product
/// over all steps, hPreviousᵀ·δ, which `gradient(of:)` appends. (Werbos, *Backpropagation through time*, 1990.)
public struct SimpleRecurrenceBackward: RecurrentOperation {
  public static let name = "rnn/backward"
  public static let law =
    "from the last step of rnn to the first: a_t = dh_t + b_{t+1}, δ_t = a_t∘activation′(h_t), b_t = scale∘(δ_t·Rᵀ), where "
    + "the mask is false δ_t = 0 and b_t = a_t; activation′ is that of unary/backward in terms of y, of hardSigmoid 1/6 "
    + "where 0 < y < 1, else 0; operands: h, R, dh, then mask and scale as in rnn; results: δ [N,T,U], dh₀ = b of the "
    + "first step [N,U]"
  public static let specialValues = SpecialValueLaw(
    .kinks,
    nan:
      "a NaN of a sample is in all steps before, one of R in all samples; at a masked step dh alone is read; the shut gate "
      + "of relu stops a NaN of dh")
  public var activation: UnaryFunction
  public var isMasked: Bool
  public var isReversed: Bool
  public var isScaled: Bool

  public init(
    activation: UnaryFunction = .tanh, isMasked: Bool = false, isReversed: Bool = false, isScaled: Bool = false
  ) {
    self.activation = activation
    (self.isMasked, self.isReversed, self.isScaled) = (isMasked, isReversed, isScaled)
  }

  public static let termsPerUnit = 1
  public var operandCount: Int { 3 }

  private static func sample(_ form: RecurrentCase) -> OperationSample {
    let (samples, steps, units) = (form.samples, form.steps, form.units)
    return form.sample(
      SimpleRecurrenceBackward(
        activation: form.activation, isMasked: form.mask != nil, isReversed: form.isReversed, isScaled: form.isScaled),
      [
        ([samples, steps, units], RecurrentCase.results(of: form.activation)), ([units, units], form.kernel),
        ([samples, steps, units], RecurrentCase.gradient),
      ])
  }

  public static var samples: [OperationSample] { RecurrentCase.small.map(sample) }
  public static var furtherSamples: [OperationSample] { RecurrentCase.long.map { sample($0).forNumbers } }
  public static func questions(on sample: OperationSample) -> [SampleQuestion] {
    recurrentQuestions(on: sample, isWide: false)
  }
  public static let randomProgramPart = RandomProgramPart.absent(
    reason: "it stands behind rnn: training steps have it")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    let form = try form(of: inputs)
    return [inputs[0], inputs[0].with(shape: form.state)]
  }

  public func form(of inputs: [TensorType]) throws(ProgramError) -> RecurrentForm {
    try form(inputs, gates: 1) {
      [("h", $0.sequence()), ("the recurrent kernel", $0.kernel(gates: 1)), ("dh", $0.sequence())]
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
    var deltas: [Int: Value] = [:]
    var back: Value?
    for t in way.times.reversed() {
      let own = try way.step(t, of: operands[2], in: &builder)
      let arriving = try way.sum(own, back, in: &builder) ?? own
      let h = try way.step(t, of: operands[0], in: &builder)
      let delta = try way.unlessMasked(
        activation.recurrentGradient(h, arriving, in: &builder), at: t, in: &builder)
      let product = try builder.append(MatrixMultiplication(transposeB: true), delta, operands[1])
      deltas[t] = delta
      back = try way.unlessMasked(way.scaled(product, in: &builder), at: t, else: arriving, in: &builder)
    }
    guard let back else { throw ProgramError("a recurrence of no steps") }
    return .results([try way.sequence(of: deltas, in: &builder), back])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    guard let form = try? form(of: inputs), let outputs = try? outputTypes(for: inputs) else {
      return Cost(flops: 0, bytes: 0)
    }
    return form.cost(inputs, outputs, gates: 1, others: 3)
  }
}

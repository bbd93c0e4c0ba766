/// What the recurrent operations share: operands, the way through time, and the kernel's gradient; their samples are of a
/// `RecurrentCase`. A cell has a file of its own: `SimpleRecurrence`, `LSTMRecurrence`, `GRURecurrence`.
///
/// A sequence is [N, T, …]: N samples of T steps. `projected` holds x·W + b of the whole sequence, made by one product
/// before; the gates lie one after another along its last axis, U numbers each. A recurrence runs from step 0 to T − 1, or
/// from T − 1 to 0 where it is reversed, and writes step t at t either way; "the step before" goes by that order.
public protocol RecurrentOperation: CompositeOperation {
  /// Whether a mask bool[N, T] follows the operands that every call has. Where it is false a step keeps the states, and
  /// nothing of the step's numbers is read.
  var isMasked: Bool { get }
  /// Whether the last step comes first.
  var isReversed: Bool { get }
  /// Whether the last operand is a scale [N, U] that multiplies the state before in each product with the recurrent kernel
  /// (recurrent dropout with one mask for the whole sequence; Gal and Ghahramani, 2016, equation 7).
  var isScaled: Bool { get }
  /// Operands before mask and scale.
  var operandCount: Int { get }
  /// What makes a state or its candidate.
  var activation: UnaryFunction { get }
  /// What the gates pass; of a cell without gates the same.
  var recurrentActivation: UnaryFunction { get }
  /// How many terms each unit adds to the longest sum of a step: 1 forward, backward one for each gate.
  static var termsPerUnit: Int { get }
  /// The extents, if every operand is what it must be; an error names the one that is not.
  func form(of inputs: [TensorType]) throws(ProgramError) -> RecurrentForm
}

extension RecurrentOperation {
  public var recurrentActivation: UnaryFunction { activation }
  /// The functions that it applies.
  public var activations: [UnaryFunction] { [activation, recurrentActivation] }
  /// Which operand is the mask.
  public var maskOperand: Int? { isMasked ? operandCount : nil }
  /// Which operand is the scale.
  public var scaleOperand: Int? { isScaled ? operandCount + (isMasked ? 1 : 0) : nil }

  public func errorBound(for inputs: [TensorType]) -> ErrorBound {
    guard let form = try? form(of: inputs) else { return .accumulation(terms: 1) }
    return form.errorBound(terms: Self.termsPerUnit * form.units)
  }

  /// The extents, if every operand is what it must be. The first is [N, T, gates·U].
  func form(
    _ inputs: [TensorType], gates: Int, _ operands: (RecurrentForm) -> [(name: String, shape: Shape)]
  ) throws(ProgramError) -> RecurrentForm {
    try expect(inputs, count: operandCount + (isMasked ? 1 : 0) + (isScaled ? 1 : 0))
    try expectFloatingPoint(Array(inputs[..<1]))
    for function in activations where !UnaryFunction.recurrent.contains(function) {
      throw ProgramError(
        "\(function) cannot be a recurrent activation; these can: "
          + UnaryFunction.recurrent.map(\.rawValue).joined(separator: ", "))
    }
    let form = try RecurrentForm(inputs[0], gates: gates)
    var expected = operands(form).map { (name: $0.name, type: inputs[0].with(shape: $0.shape)) }
    if isMasked { expected.append(("mask", TensorType(.bool, [form.samples, form.steps]))) }
    if isScaled { expected.append(("scale", inputs[0].with(shape: form.state))) }
    for ((name, type), found) in zip(expected, inputs) where found != type {
      throw ProgramError("\(name) must be \(type), but is \(found)")
    }
    return form
  }

  func way(_ form: RecurrentForm, _ operands: [Value]) -> RecurrentWay {
    RecurrentWay(
      form: form, times: form.times(isReversed: isReversed), mask: maskOperand.map { operands[$0] },
      scale: scaleOperand.map { operands[$0] })
  }
}

extension UnaryFunction {
  /// The functions that recurrent operations apply: their derivative follows from the result, so no operand is kept. That
  /// of `hardSigmoid` is 1/6 where 0 < y < 1, else 0.
  public static let recurrent: [UnaryFunction] = [
    .tanh, .sigmoid, .relu, .identity, .hardSigmoid, .selu, .softplus,
  ]
}

/// The extents of a recurrence.
public struct RecurrentForm: Hashable, Sendable {
  /// N
  public let samples: Int
  /// T
  public let steps: Int
  /// U, the numbers of a state.
  public let units: Int

  /// Of a sequence [N, T, gates·U].
  public init(_ sequence: TensorType, gates: Int) throws(ProgramError) {
    let extents = sequence.shape.extents
    guard extents.count == 3, extents[1] > 0, extents[2] > 0, extents[2] % gates == 0 else {
      throw ProgramError(
        "the first operand must be [samples, steps, \(gates == 1 ? "" : "\(gates) · ")units] of at least one step and "
          + "one unit, but is \(sequence)")
    }
    (samples, steps, units) = (extents[0], extents[1], extents[2] / gates)
  }

  /// [N, U]
  public var state: Shape { [samples, units] }
  /// [N, T, gates·U]
  public func sequence(gates: Int = 1) -> Shape { [samples, steps, gates * units] }
  /// [U, gates·U]
  public func kernel(gates: Int) -> Shape { [units, gates * units] }
  /// The steps in the order they are taken.
  public func times(isReversed: Bool) -> [Int] { isReversed ? (0..<steps).reversed() : Array(0..<steps) }

  /// Of a recurrence that makes one product a gate and step, and so many operations more a unit and step.
  func cost(_ inputs: [TensorType], _ outputs: [TensorType], gates: Int, others: Int) -> Cost {
    var cost = Cost.elementwise(inputs, outputs, flopsPerElement: 0)
    cost.flops = Cost.product([samples, steps, units, 2 * gates * units + others])
    return cost
  }

  /// Of sums of so many terms at each step, and of all steps: a gate that stays open hands their roundings on, which add up
  /// like those of one sum. A kernel that lets roundings grow from step to step, as one of large weights does, has no bound
  /// that is worth its name; samples have none.
  func errorBound(terms: Int) -> ErrorBound { .accumulation(terms: 256 + 4 * terms + steps * (4 + terms / 4)) }
}

// MARK: Gradients of operands that no time runs through

extension RecurrentOperation {
  /// Adds those of the kernel and of the scale, where they are needed, of a cell whose operands are `projected`, the kernel
  /// and h₀ first and whose first result is h; `delta` is the gradient of its product.
  func addKernelGradients(
    to results: inout [Value?], of call: GradientContext, _ form: RecurrentForm, delta: Value,
    in builder: inout ProgramBuilder
  ) throws(ProgramError) {
    let isScaleNeeded = scaleOperand.map { call.isNeeded[$0] } ?? false
    guard call.isNeeded[1] || isScaleNeeded else { return }
    let previous = try form.previous(call.outputs[0], first: call.inputs[2], isReversed: isReversed, in: &builder)
    if call.isNeeded[1] {
      let left = try form.scaled(previous, by: scaleOperand.map { call.inputs[$0] }, in: &builder)
      results[1] = try form.kernelGradient(left, delta, in: &builder)
    }
    if let scaleOperand, isScaleNeeded {
      let dScaled = try form.backThrough(call.inputs[1], delta, in: &builder)
      results[scaleOperand] = try form.scaleGradient(previous, dScaled, in: &builder)
    }
  }
}

extension RecurrentForm {
  /// The state before each step, [N, T, U].
  func previous(
    _ states: Value, first: Value, isReversed: Bool, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let start = try builder.append(Reshape(shape: [samples, 1, units]), first)
    guard steps > 1 else { return start }
    let others = try builder.append(
      Slice(starts: [0, isReversed ? 1 : 0, 0], sizes: [samples, steps - 1, units]), states)
    return try builder.append(Concatenate(axis: 1), isReversed ? [others, start] : [start, others])[0]
  }

  /// [N, T, U] times the scale [N, U] of every step; as it is without one.
  func scaled(
    _ sequence: Value, by scale: Value?, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    guard let scale else { return sequence }
    let stretched = try builder.append(Reshape(shape: [samples, 1, units]), scale)
    return try builder.append(Binary(.multiply), sequence, stretched)
  }

  /// One product over samples and steps: leftᵀ·δ of left [N, T, U] and δ [N, T, k].
  func kernelGradient(
    _ left: Value, _ delta: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    try builder.append(
      MatrixMultiplication(transposeA: true), rows(left, in: &builder), rows(delta, in: &builder))
  }

  /// δ·Rᵀ for each step, [N, T, U].
  func backThrough(
    _ kernel: Value, _ delta: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    let product = try builder.append(MatrixMultiplication(transposeB: true), rows(delta, in: &builder), kernel)
    return try builder.append(Reshape(shape: sequence().extents), product)
  }

  /// The gradient of the scale, of that of the scaled states [N, T, U].
  func scaleGradient(
    _ previous: Value, _ dScaled: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    try builder.append(Reduce(.sum, axes: [1]), builder.append(Binary(.multiply), previous, dScaled))
  }

  /// [N·T, k] of [N, T, k].
  private func rows(_ sequence: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Value {
    try builder.append(Reshape(shape: [samples * steps, sequence.shape[2]]), sequence)
  }
}

// MARK: Decompositions

/// A recurrence step by step, in simpler operations.
struct RecurrentWay {
  let form: RecurrentForm
  /// In the order of the recurrence.
  let times: [Int]
  let mask: Value?
  let scale: Value?

  /// Each step is some 15 to 30 calls, and a backend plans every call: beyond this a program takes longer to plan than to
  /// run.
  static let mostSteps = 128

  /// Why there is no decomposition.
  var reason: String? {
    form.steps <= Self.mostSteps
      ? nil : "more than \(Self.mostSteps) steps: the simpler operations would be thousands of calls"
  }

  /// Step t of a sequence [N, T, k]: [N, k].
  func step(_ t: Int, of sequence: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Value {
    let width = sequence.shape[2]
    let part = try builder.append(Slice(starts: [0, t, 0], sizes: [form.samples, 1, width]), sequence)
    return try builder.append(Reshape(shape: [form.samples, width]), part)
  }

  /// Gates next to one another of [rows, gates·U].
  func gates(_ range: Range<Int>, of all: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Value {
    try builder.append(
      Slice(starts: [0, range.lowerBound * form.units], sizes: [all.shape[0], range.count * form.units]), all)
  }

  /// What a step makes, or `kept` where the mask leaves it out.
  func unlessMasked(
    _ made: Value, at t: Int, else kept: Value, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    guard let mask else { return made }
    let isStep = try builder.append(Slice(starts: [0, t], sizes: [form.samples, 1]), mask)
    return try builder.append(Select(), isStep, made, kept)
  }

  /// The same with 0.
  func unlessMasked(
    _ made: Value, at t: Int, in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Value {
    guard mask != nil else { return made }
    return try unlessMasked(made, at: t, else: builder.scalar(0, made.type.elementType), in: &builder)
  }

  func scaled(_ state: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Value {
    guard let scale else { return state }
    return try builder.append(Binary(.multiply), state, scale)
  }

  /// What arrives at a state from its step's upstream gradient and from the step after.
  func sum(_ a: Value?, _ b: Value?, in builder: inout ProgramBuilder) throws(ProgramError) -> Value? {
    guard let a, let b else { return a ?? b }
    return try builder.append(Binary(.add), a, b)
  }

  /// The sequence [N, T, k] of its steps [N, k], by time.
  func sequence(of steps: [Int: Value], in builder: inout ProgramBuilder) throws(ProgramError) -> Value {
    var parts: [Value] = []
    for t in 0..<form.steps {
      guard let step = steps[t] else { throw ProgramError("step \(t) of a recurrence is missing") }
      parts.append(try builder.append(Reshape(shape: [form.samples, 1, step.shape[1]]), step))
    }
    return parts.count == 1 ? parts[0] : try builder.append(Concatenate(axis: 1), parts)[0]
  }
}

extension UnaryFunction {
  func applied(to x: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Value {
    self == .identity ? x : try builder.append(Unary(self), x)
  }

  /// dx of the result y and dy.
  func recurrentGradient(_ y: Value, _ dy: Value, in builder: inout ProgramBuilder) throws(ProgramError) -> Value {
    switch self {
    case .identity: return dy
    case .hardSigmoid:
      // Relu's gates leave 1/6 where 0 < y and 0 < 1 − y, and keep a NaN of y.
      let sixth = try builder.append(
        Fill(value: 1.0 / 6, shape: y.shape.extents, elementType: y.type.elementType))
      let below = try builder.append(Binary(.subtract), builder.scalar(1, y.type.elementType), y)
      let slope = try builder.append(
        UnaryBackward(.relu), below, builder.append(UnaryBackward(.relu), y, sixth))
      return try builder.append(Binary(.multiply), dy, slope)
    default: return try builder.append(UnaryBackward(self), y, dy)
    }
  }
}

extension RandomGrowth {
  /// x as a sequence of each gate, with a kernel and a state before the first step; nil where x has no place for one.
  mutating func sequence(
    gates: Int
  ) throws(ProgramError) -> (projected: Value, kernel: Value, first: Value)? {
    let extents = x.shape.extents
    guard let samples = extents.first, let units = extents.last, x.shape.elementCount > 0, units <= 64 else {
      return nil
    }
    let steps = extents.count == 1 ? 1 : x.shape.elementCount / samples / units
    let form = extents.count == 1 ? [1, 1, units] : [samples, steps, units]
    let gate = try builder.append(Reshape(shape: form), x)
    let all = [Value](repeating: gate, count: gates)
    let projected = gates == 1 ? gate : try builder.append(Concatenate(axis: 2), all)[0]
    let kernel = try builder.append(
      Fill(value: 1 / Double(units + 1), shape: [units, gates * units], elementType: .float32))
    let first = try builder.append(Fill(value: 0.5, shape: [form[0], units], elementType: .float32))
    return (projected, kernel, first)
  }
}

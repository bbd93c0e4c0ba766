import SwitchbackPrograms

/// `simple_rnn`, `lstm` and `gru`: one operation over the whole sequence, behind one product that makes the gates' inputs of
/// all steps.
///
/// x `[N, T, D]`, kernel `[D, G·U]`, recurrentKernel `[U, G·U]`, bias `[G·U]`, for G gates of U units side by side.
protocol SequenceOperationLayer: RecurrentLayer {
  static var gateCount: Int { get }
  var common: RecurrentSettings { get set }
}

extension SequenceOperationLayer {
  public var masking: Masking { .consumed }
  public var resultNames: [String] { answeredNames }
  var returnSequences: Bool { common.returnSequences }
  var returnState: Bool { common.returnState }
  var goBackwards: Bool { common.goBackwards }
  var stateful: Bool { common.stateful }
  var units: Int { common.units }

  var fault: String? {
    (1...1 << 30).contains(units) ? nil : "units must be positive, and at most 2³⁰, not \(units)"
  }

  public func callAsFunction(_ inputs: [Value], in context: inout LayerContext) throws(ProgramError) -> [Value] {
    try context.recur(self, inputs)
  }

  func course(_ isReversed: Bool) -> RecurrentCourse {
    RecurrentCourse(isReversed: isReversed, isGated: Self.gateCount > 1)
  }

  /// The gates' inputs `[N, T, G·U]` and the recurrent kernel; `bias` is what the product gets added.
  func project(
    _ input: Value, bias: (inout LayerContext) throws(ProgramError) -> Value?, in context: inout LayerContext
  ) throws(ProgramError) -> (projected: Value, kernel: Value) {
    try context.requireSequences(input)
    let (samples, steps, features) = (input.shape[0], input.shape[1], input.shape[2])
    let width = Self.gateCount * units
    let seen = try context.drop(input, common.dropout, together: [1])
    let kernel = try context.parameter(
      "kernel", [features, width], initializer: common.kernelInitializer.gained(for: common.activation),
      regularizer: common.kernelRegularizer)
    let recurrentKernel = try context.parameter(
      "recurrentKernel", [units, width], initializer: common.recurrentInitializer.gained(for: common.activation),
      regularizer: common.recurrentRegularizer)
    let rows = try context.append(Reshape(shape: [samples * steps, features]), seen)
    var product = try context.append(MatrixMultiplication(), rows, kernel)
    if let bias = try bias(&context) { product = try context.append(Binary(.add), product, bias) }
    return (try context.append(Reshape(shape: [samples, steps, width]), product), recurrentKernel)
  }

  /// A bias of this shape, where the layer has one.
  func bias(
    _ shape: Shape, initializer: Initializer, in context: inout LayerContext
  ) throws(ProgramError) -> Value? {
    guard common.useBias else { return nil }
    return try context.parameter("bias", shape, initializer: initializer, regularizer: common.biasRegularizer)
  }

  /// What multiplies the states in the recurrent product, one mask for the whole sequence; nil: nothing does.
  func recurrentScale(_ samples: Int, in context: inout LayerContext) throws(ProgramError) -> Value? {
    try context.dropoutMask([samples, units], common.recurrentDropout, .float32)
  }
}

extension ActivationFunction {
  /// Nil where a recurrence has no such function.
  private var recurrentFunction: UnaryFunction? {
    let function = self == .linear ? .identity : unary?.function
    return function.flatMap { UnaryFunction.recurrent.contains($0) ? $0 : nil }
  }

  /// As configurations have it: `hard_sigmoid`.
  private var keyword: String {
    word.reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
  }

  /// For an operation that runs over a whole sequence.
  func recurrent(_ key: String, in context: LayerContext) throws(ProgramError) -> UnaryFunction {
    if let function = recurrentFunction { return function }
    let words = Self.all.filter { $0.recurrentFunction != nil }.map(\.keyword)
    throw ProgramError("\(key) cannot be \(keyword); these work: \(words.joined(separator: ", "))", path: context.path)
  }
}

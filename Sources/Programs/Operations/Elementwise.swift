/// Elementwise operations: one operation an arity, with a table of functions.

/// A function of one variable: a row of the table (`ElementwiseTable.swift`).
public struct UnaryFunction: StringAttribute, CaseIterable, CustomStringConvertible {
  private let number: Int

  private init(number: Int) { self.number = number }

  /// Nil where the table has no row of this name.
  public init?(rawValue: String) {
    guard let number = Self.table.firstIndex(where: { $0.name == rawValue }) else { return nil }
    self.number = number
  }

  public var rawValue: String { row.name }
  public var description: String { rawValue }
  public static let allCases = table.indices.map { UnaryFunction(number: $0) }

  var row: Row { Self.table[number] }

  public var law: String { row.law }

  /// The derivative that `UnaryBackward` multiplies dy with, in terms of the value that `gradientOperand` names; at a kink
  /// it is what the formula gives there. Nil where it is 0 almost everywhere, so that none is built.
  public var derivative: String? {
    switch row.derivative {
    case .ofOperand(let formula), .ofResult(let formula), .constant(let formula): formula
    case .zero: nil
    }
  }

  /// Whether the derivative is written in terms of the result (`y`) or of the operand (`x`). Where it is the result,
  /// a fused backend never has to keep the operand.
  public enum GradientOperand: Sendable { case input, output, none }

  public var gradientOperand: GradientOperand {
    switch row.derivative {
    case .ofResult: .output
    case .ofOperand, .constant: .input
    case .zero: .none
    }
  }

  /// Of a function that backends make from its row: y, and dy/dx in terms of what `gradientOperand` names.
  public var formulas: (forward: Formula, slope: Formula)? {
    guard case .made(let forward, let slope, _, _) = row.kernels else { return nil }
    return (forward, slope)
  }

  /// Where the formula, or that of the derivative, changes its branch.
  package var kinks: [Double] { row.kinks }

  /// The activations that are rows of the table and nothing else, by the word that configurations have for them.
  public static let activations: [(word: String, function: UnaryFunction)] = allCases.compactMap { function in
    guard case .made(_, _, let word?, _) = function.row.kernels else { return nil }
    return (word, function)
  }

  /// What somebody else says of such a function: x, y and dy/dx.
  package var known: [(x: Double, y: Double, slope: Double)] {
    guard case .made(_, _, _, let known) = row.kernels else { return [] }
    return known
  }

  /// Of the function, and of what `UnaryBackward` makes of it.
  package var bounds: (ErrorBound, ErrorBound) { (row.bound, row.slopeBound) }

  /// Whether NaN comes out where NaN goes in.
  package var keepsNaN: Bool { row.keepsNaN }

  /// Whether the derivative changes with the operand.
  package var hasVaryingSlope: Bool {
    switch row.derivative {
    case .ofOperand, .ofResult: true
    case .constant, .zero: false
    }
  }

  /// The kinks, and numbers on both sides of them, where it is defined there.
  fileprivate func questions(on sample: OperationSample, _ drawn: Drawn) -> [SampleQuestion] {
    let wide = drawn.wide.map { [SampleQuestion.wide([$0] + sample.domains.dropFirst())] } ?? []
    return (row.kinks.isEmpty ? [] : [.kinks(row.kinks)]) + wide
  }
}

// What code of ours is written with; programs and configurations know every row by its name.
extension UnaryFunction {
  public static let identity = row("identity")
  public static let negate = row("negate")
  public static let absolute = row("absolute")
  public static let exp = row("exp")
  public static let log = row("log")
  public static let sqrt = row("sqrt")
  public static let rsqrt = row("rsqrt")
  public static let square = row("square")
  public static let reciprocal = row("reciprocal")
  public static let sign = row("sign")
  public static let floor = row("floor")
  public static let relu = row("relu")
  public static let leakyRelu = row("leakyRelu")
  public static let elu = row("elu")
  public static let selu = row("selu")
  public static let gelu = row("gelu")
  public static let geluTanh = row("geluTanh")
  public static let swish = row("swish")
  public static let sigmoid = row("sigmoid")
  public static let hardSigmoid = row("hardSigmoid")
  public static let tanh = row("tanh")
  public static let softplus = row("softplus")
  public static let isFinite = row("isFinite")

  private static func row(_ name: String) -> UnaryFunction {
    guard let function = UnaryFunction(rawValue: name) else { preconditionFailure("the table has no \(name)") }
    return function
  }

  /// The constants of Klambauer et al., *Self-Normalizing Neural Networks* (2017), §2.
  public static let seluScale = 1.0507009873554804934193349852946
  public static let seluAlpha = 1.6732632423543772848170429916717
}

/// A function of the table applied to each element.
public struct Unary: TableOperation {
  public static let name = "unary"
  public static let law =
    "y = function(x), elementwise; see the table of functions; alpha is 0 where a function has none"
  public static let specialValues = SpecialValueLaw(
    .everywhere, nan: "NaN stays NaN (of isFinite 0); an infinity is put into the formula of its branch as it stands")
  var rowName: String { function.rawValue }
  public var function: UnaryFunction
  /// Where the function has a number of its own, as the slope of `leakyRelu` and the scale of `elu`; otherwise 0.
  public var alpha: Double

  public init(_ function: UnaryFunction, alpha: Double = 0) {
    self.function = function
    self.alpha = alpha
  }

  public static var samples: [OperationSample] {
    UnaryFunction.allCases.flatMap { function in
      [[1], [7], [0, 3], [3, 5, 2]].map {
        OperationSample(
          Unary(function, alpha: function.row.usesAlpha ? 0.3 : 0), [.float32(Shape($0))],
          [function.row.operand.domain])
      }
    }
  }

  /// Each function on a long operand, and those without a bend of their own on numbers beyond what half precision holds.
  public static var furtherSamples: [OperationSample] {
    longOperands(of: UnaryFunction.allCases).map { function, extents in
      OperationSample(
        Unary(function, alpha: function.row.usesAlpha ? 0.3 : 0), [.float32(Shape(extents))],
        [function.row.operand.domain]
      ).forNumbers
    }
      + magnitudes.flatMap { function, domains in
        domains.map {
          OperationSample(
            Unary(function, alpha: function.row.usesAlpha ? 0.3 : 0), [.float32([37])], [$0]
          ).forNumbers
        }
      }
  }

  /// For each function one shape: each of the list once, and long axes of each place in turn.
  fileprivate static func longOperands(of functions: [UnaryFunction]) -> [(UnaryFunction, extents: [Int])] {
    functions.enumerated().map { index, function in
      let long = BlockExtents.long(index / 4)
      return (function, [[long], [3, long], [long, 2], [2, 257, 3]][index % 4])
    }
      + BlockExtents.all.enumerated().map { index, extent in (functions[index % functions.count], [extent]) }
      + [(.tanh, [257, 3, 5])]
  }

  private static let magnitudes: [(UnaryFunction, [OperationSample.Domain])] = {
    let (large, small) = (OperationSample.Domain.range(-3e5, 3e5), OperationSample.Domain.range(-1e-8, 1e-8))
    let positive = [OperationSample.Domain.range(1e5, 3e6), .range(1e-9, 1e-8)]
    return [.identity, .negate, .absolute, .relu, .leakyRelu].map { ($0, [large, small]) }
      + [.square, .floor, .isFinite].map { ($0, [large]) }
      + [.log, .sqrt, .rsqrt, .reciprocal].map { ($0, positive) }
  }()

  public static func questions(on sample: OperationSample) -> [SampleQuestion] {
    guard let function = (sample.operation as? Unary)?.function else { return [] }
    return function.questions(on: sample, function.row.operand)
  }

  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    try growth.builder.append(Unary(growth.pick([.tanh, .relu, .sigmoid, .negate])), growth.x)
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    try expectFloatingPoint(inputs)
    return inputs
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let operand: Value
    switch function.gradientOperand {
    case .input: operand = call.inputs[0]
    case .output: operand = call.outputs[0]
    case .none: return .stops(reason: "\(function.rawValue) is constant almost everywhere")
    }
    return .flows([try builder.append(UnaryBackward(function, alpha: alpha), operand, call.upstream[0]!)])
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, inputs) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { function.row.bound }
}

/// `dx = dy · function′`, from the operand that `UnaryFunction.gradientOperand` names.
public struct UnaryBackward: TableOperation {
  public static let name = "unary/backward"
  public static let law =
    "dx = dy·function′; operands: v, dy, where v is y or x as the table says, both of dx's shape"
  public static let specialValues = SpecialValueLaw(
    .kinks,
    nan:
      "a NaN of either operand is NaN (identity and negate read dy alone); only the shut gate of relu stops a NaN of dy",
    choice: "see the table of functions")
  var rowName: String { function.rawValue + "/backward" }
  public var function: UnaryFunction
  public var alpha: Double

  public init(_ function: UnaryFunction, alpha: Double = 0) {
    self.function = function
    self.alpha = alpha
  }

  public static var samples: [OperationSample] {
    UnaryFunction.allCases.filter { $0.gradientOperand != .none }.flatMap { function in
      [[1], [7], [0, 3], [3, 5, 2]].map {
        OperationSample(
          UnaryBackward(function, alpha: function.row.usesAlpha ? 0.3 : 0),
          [.float32(Shape($0)), .float32(Shape($0))], [function.row.slopeOperand.domain, .range(-2, 2)])
      }
    }
  }

  public static var furtherSamples: [OperationSample] {
    Unary.longOperands(of: UnaryFunction.allCases.filter { $0.gradientOperand != .none }).map { function, extents in
      let type = TensorType.float32(Shape(extents))
      return OperationSample(
        UnaryBackward(function, alpha: function.row.usesAlpha ? 0.3 : 0), [type, type],
        [function.row.slopeOperand.domain, .range(-2, 2)]
      ).forNumbers
    }
      // Of a dy that half precision does not hold.
      + [UnaryFunction.identity, .relu, .leakyRelu, .tanh, .gelu].map { function in
        OperationSample(
          UnaryBackward(function, alpha: function.row.usesAlpha ? 0.3 : 0), [.float32([37]), .float32([37])],
          [function.row.slopeOperand.domain, .range(-3e5, 3e5)]
        ).forNumbers
      }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] {
    guard let function = (sample.operation as? UnaryBackward)?.function else { return [] }
    return function.questions(on: sample, function.row.slopeOperand)
  }

  public static let randomProgramPart = RandomProgramPart.absent(
    reason: "it stands behind its function: chains of training have it")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 2)
    try expectFloatingPoint(inputs)
    try expectSame(inputs[0], inputs[1])
    return [inputs[1]]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "second derivatives of elementwise functions are not built")
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, [inputs[1]]) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { function.row.slopeBound }
}

/// A row of the table of functions of two variables.
public enum BinaryFunction: String, StringAttribute, CaseIterable {
  case add, subtract, multiply, divide, maximum, minimum, power
  case equal, greater, greaterEqual, less

  public var law: String {
    switch self {
    case .add: "a + b"
    case .subtract: "a − b"
    case .multiply: "a·b"
    case .divide: "a/b"
    case .maximum: "max(a, b)"
    case .minimum: "min(a, b)"
    case .power: "aᵇ"
    case .equal: "a = b, as bool"
    case .greater: "a > b, as bool"
    case .greaterEqual: "a ≥ b, as bool"
    case .less: "a < b, as bool"
    }
  }

  public var isComparison: Bool {
    switch self {
    case .equal, .greater, .greaterEqual, .less: true
    default: false
    }
  }
}

/// A function of two operands with NumPy's broadcasting; comparisons give `bool`.
public struct Binary: TableOperation {
  public static let name = "binary"
  public static let law =
    "y = function(a, b), elementwise; operands: a, b, of one element type; axes are aligned from the last, and one of "
    + "extent 1, or one that is missing, is repeated"
  public static let specialValues = SpecialValueLaw(
    .everywhere,
    nan:
      "NaN stays NaN, of maximum and minimum too; but aᵇ is 1 where b is 0 or a is 1, as in C; a comparison with NaN is false",
    choice: "the gradient of a tie of maximum or minimum goes to a; beside a NaN both operands get it")
  var rowName: String { function.rawValue }
  public var function: BinaryFunction

  public init(_ function: BinaryFunction) { self.function = function }

  public static var samples: [OperationSample] {
    let shapes: [([Int], [Int])] = [
      ([1], [1]), ([5, 3], [5, 3]), ([4, 3, 5], [5]), ([4, 1, 5], [3, 1]), ([7], []), ([0, 3], [3]), ([5, 3], [3]),
      ([2, 3], [2, 1]),
    ]
    return BinaryFunction.allCases.flatMap { function in
      shapes.map {
        OperationSample(Binary(function), [.float32(Shape($0.0)), .float32(Shape($0.1))], domains(of: function))
      }
    }
  }

  private static func domains(of function: BinaryFunction) -> [OperationSample.Domain] {
    switch function {
    case .divide: [.range(-2, 2), .range(0.5, 2)]
    case .power: [.range(0.5, 2), .range(-2, 2)]
    // Two ranges that do not meet keep finite differences away from ties.
    case .maximum, .minimum: [.range(-2, 0), .range(0.5, 1)]
    case .equal: [.indices(2)]
    default: [.range(-2, 2)]
    }
  }

  public static var furtherSamples: [OperationSample] {
    let functions = BinaryFunction.allCases.filter { ![.divide, .power].contains($0) }
    return functions.flatMap { function in
      [([5, 3], [5, 3]), ([4, 1, 5], [3, 1]), ([4, 6], [6])].map { (a: [Int], b: [Int]) in
        // Few numbers, so that there are ties.
        OperationSample(Binary(function), [.int32(Shape(a)), .int32(Shape(b))], [.indices(3)])
      }
    } + longSamples + magnitudes
  }

  /// Each function on long operands, of one shape and stretched.
  private static var longSamples: [OperationSample] {
    let shapes: [([Int], [Int])] = [
      ([513, 7], [7]), ([3, 4097], [3, 1]), ([257], []), ([2, 257, 3], [257, 1]), ([9, 513], [513]),
      ([257, 1, 3], [5, 1]), ([4097, 1], [1, 3]), ([], [513]),
    ]
    return BinaryFunction.allCases.enumerated().flatMap { index, function in
      [0, 1].map { shapes[(index + 3 * $0) % shapes.count] }.map { a, b in
        OperationSample(
          Binary(function), [.float32(Shape(a)), .float32(Shape(b))], domains(of: function)
        ).forNumbers
      }
    }
      + [BinaryFunction.add, .subtract, .multiply, .maximum, .greater].enumerated().map { index, function in
        let type = TensorType.float32([[65_537], [3, 4097], [4097, 3], [2, 257, 3], [257, 2, 3]][index])
        return OperationSample(Binary(function), [type, type], domains(of: function)).forNumbers
      }
      + [BinaryFunction.subtract, .less].map { function in
        OperationSample(
          Binary(function), [.float32([2, 1, 2, 1, 3, 1, 2, 1]), .float32([1, 3, 1, 2, 1, 2, 1, 3])],
          domains(of: function)
        ).forNumbers
      }
  }

  /// Results beyond what half precision holds, above and below.
  private static var magnitudes: [OperationSample] {
    let cases: [(BinaryFunction, OperationSample.Domain, OperationSample.Domain)] = [
      (.add, .range(-3e5, 3e5), .range(-3e5, 3e5)), (.subtract, .range(-3e5, 3e5), .range(-3e5, 3e5)),
      (.multiply, .range(-3e4, 3e4), .range(-300, 300)), (.multiply, .range(-1e-5, 1e-5), .range(-1e-5, 1e-5)),
      (.add, .range(-1e-8, 1e-8), .range(-1e-8, 1e-8)), (.divide, .range(-300, 300), .range(1e-6, 1e-4)),
      (.divide, .range(-1e-5, 1e-5), .range(1e3, 3e4)), (.power, .range(10, 20), .range(5, 8)),
      (.maximum, .range(-3e5, 0), .range(-2e5, -1e5)), (.greater, .range(1e5, 3e5), .range(1e5, 3e5)),
    ]
    return cases.map { OperationSample(Binary($0.0), [.float32([37]), .float32([37])], [$0.1, $0.2]).forNumbers }
  }

  /// Of maximum and minimum with ties: samples keep away from them.
  public static func questions(on sample: OperationSample) -> [SampleQuestion] {
    sample.domains[0] == .range(-2, 0) ? [.wide([.range(-2, 2), .range(-2, 2)])] : []
  }

  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    let function = growth.pick([BinaryFunction.add, .multiply, .maximum, .subtract])
    let partner = growth.partner(of: growth.x)
    return try growth.bounded(growth.builder.append(Binary(function), growth.x, partner))
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 2)
    guard inputs[0].elementType == inputs[1].elementType else {
      throw ProgramError("\(function.rawValue) of \(inputs[0]) and \(inputs[1]): the element types differ")
    }
    guard let shape = inputs[0].shape.broadcast(with: inputs[1].shape) else {
      throw ProgramError("\(function.rawValue) of \(inputs[0]) and \(inputs[1]): the shapes do not broadcast")
    }
    return [TensorType(function.isComparison ? .bool : inputs[0].elementType, shape)]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let (a, b, dy) = (call.inputs[0], call.inputs[1], call.upstream[0]!)
    var da: Value?
    var db: Value?
    switch function {
    case .add: (da, db) = (dy, dy)
    case .subtract:
      da = dy
      if call.isNeeded[1] { db = try builder.append(Unary(.negate), dy) }
    case .multiply:
      if call.isNeeded[0] { da = try builder.append(Binary(.multiply), dy, b) }
      if call.isNeeded[1] { db = try builder.append(Binary(.multiply), dy, a) }
    case .divide:
      let quotient = try builder.append(Binary(.divide), dy, b)
      da = quotient
      if call.isNeeded[1] {
        let product = try builder.append(Binary(.multiply), quotient, call.outputs[0])
        db = try builder.append(Unary(.negate), product)
      }
    case .maximum, .minimum:
      // Only the loser of a comparison gets nothing, so a tie gives all to the first operand, and a NaN beside a number
      // stops no gradient: a clamp whose operand is NaN would otherwise answer 0, and the guard of the updates not see it.
      let (high, low) = function == .maximum ? (a, b) : (b, a)
      let zero = try builder.scalar(0, dy.type.elementType)
      if call.isNeeded[0] {
        da = try builder.append(Select(), builder.append(Binary(.greater), low, high), zero, dy)
      }
      if call.isNeeded[1] {
        db = try builder.append(Select(), builder.append(Binary(.greaterEqual), high, low), zero, dy)
      }
    case .power:
      if call.isNeeded[0] {
        let one = try builder.scalar(1, dy.type.elementType)
        let exponent = try builder.append(Binary(.subtract), b, one)
        let power = try builder.append(Binary(.power), a, exponent)
        let slope = try builder.append(Binary(.multiply), b, power)
        da = try builder.append(Binary(.multiply), dy, slope)
      }
      if call.isNeeded[1] {
        let logarithm = try builder.append(Unary(.log), a)
        let slope = try builder.append(Binary(.multiply), call.outputs[0], logarithm)
        db = try builder.append(Binary(.multiply), dy, slope)
      }
    case .equal, .greater, .greaterEqual, .less: return .stops(reason: "a comparison has no derivative")
    }
    return .flows([
      call.isNeeded[0] ? try da.map { value throws(ProgramError) in try builder.sum(value, to: a.shape) } : nil,
      call.isNeeded[1] ? try db.map { value throws(ProgramError) in try builder.sum(value, to: b.shape) } : nil,
    ])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, (try? outputTypes(for: inputs)) ?? [])
  }

  public func errorBound(for inputs: [TensorType]) -> ErrorBound {
    function == .power ? .ulps(32) : function.isComparison ? .exact : .ulps(1)
  }
}

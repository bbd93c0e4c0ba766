/// How `Reduce` folds the elements along its axes.
public enum ReduceFunction: String, StringAttribute, CaseIterable {
  case sum, mean, max, min, sumSquares
}

/// Folds a tensor over some of its axes. An empty sum is 0; mean, max and min of nothing are refused. One NaN makes the
/// result NaN.
public struct Reduce: TensorOperation {
  public static let name = "reduce"
  public static let law = "y = function of x over axes"
  public static let specialValues = SpecialValueLaw(
    .sums, nan: "one NaN makes the result NaN, of max and min too",
    choice: "elements that tie for max or min share the gradient evenly; where the result is NaN all of it is NaN")
  public var function: ReduceFunction
  /// In increasing order.
  public var axes: [Int]
  public var keepDimensions: Bool

  public init(_ function: ReduceFunction, axes: [Int], keepDimensions: Bool = false) {
    self.function = function
    self.axes = axes
    self.keepDimensions = keepDimensions
  }

  public static var samples: [OperationSample] {
    let cases: [([Int], [Int], Bool)] = [
      ([1], [0], false), ([5, 7], [0], false), ([5, 7], [1], true), ([3, 5, 2], [0, 2], false),
      ([2, 3, 4, 5], [0, 1, 2], false), ([3, 5], [0, 1], false), ([67, 33], [0], false),
      ([2, 3, 4, 5], [1, 2], false),
    ]
    let empty = [OperationSample(Reduce(.sum, axes: [0]), [.float32([0, 3])])]
    return empty
      + ReduceFunction.allCases.flatMap { function in
        cases.map {
          OperationSample(
            Reduce(function, axes: $0.1, keepDimensions: $0.2), [.float32(Shape($0.0))],
            [function == .max || function == .min ? .distinct : .range(-2, 2)])
        }
      }
  }

  /// Axes between others, alone and not beside each other, for each function; then lines of every length.
  public static var furtherSamples: [OperationSample] {
    func sample(
      _ function: ReduceFunction, _ shape: [Int], _ axes: [Int], _ keepDimensions: Bool,
      _ domain: OperationSample.Domain? = nil
    ) -> OperationSample {
      OperationSample(
        Reduce(function, axes: axes, keepDimensions: keepDimensions), [.float32(Shape(shape))],
        [domain ?? (function == .max || function == .min ? .distinct : .range(-1, 2))]
      ).forNumbers
    }
    let forAll: [([Int], [Int])] = [
      ([2, 9, 4, 3], [1]), ([2, 3, 9, 4], [2]), ([2, 7, 3, 5], [1, 3]), ([3, 4097], [1]),
    ]
    let inTurn: [([Int], [Int])] = [
      ([5, 2, 3, 7], [0, 2]), ([5, 3, 2, 7], [0, 3]), ([3, 9, 5], [1]), ([2, 9, 4, 3], [0]), ([2, 3, 4, 9], [3]),
      ([2, 3, 2, 9, 3], [1, 3]), ([65_537], [0]), ([4097, 3], [0]), ([2, 513, 3], [1]), ([3, 513, 2, 5], [0, 2]),
      ([2, 3, 257], [1]), ([257, 2, 5], [1, 2]),
    ]
    let kinds = ReduceFunction.allCases
    let shapes =
      kinds.enumerated().flatMap { index, function in
        forAll.enumerated().map { sample(function, $1.0, $1.1, (index + $0) % 2 == 0) }
      } + inTurn.enumerated().map { sample(kinds[$0 % kinds.count], $1.0, $1.1, $0 % 2 == 0) }
    let results = [
      sample(.sum, [513, 5], [1], false), sample(.max, [4097, 3], [1], false),
      sample(.mean, [3, 257, 2, 5], [2], false),
      sample(.sum, BlockExtents.ofMostAxes, [1, 3, 5, 7], false),
      sample(.max, BlockExtents.ofMostAxes, [0, 2, 4, 6], true),
    ]
    let lines = BlockExtents.all.enumerated().map { index, extent in
      let (shape, axis) = [([3, extent], 1), ([extent, 3], 0), ([2, extent, 3], 1)][index % 3]
      return sample(kinds[index % kinds.count], shape, [axis], false)
    }
    // Numbers and results beyond what half precision holds, above and below; a NaN at the end of a long line.
    let domains: [OperationSample.Domain] = [.range(1e4, 3e5), .range(1e-9, 1e-8), .lastIsNaN(-1, 2)]
    let numbers = kinds.flatMap { function in domains.map { sample(function, [3, 513], [1], false, $0) } }
    return shapes + results + lines + numbers
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    let axes = (0..<growth.x.shape.rank).filter { _ in growth.next(2) == 0 }
    let function = growth.pick([ReduceFunction.sum, .mean, .max, .sumSquares])
    let reduction = Reduce(function, axes: axes, keepDimensions: growth.next(2) == 0)
    return try growth.bounded(growth.builder.append(reduction, growth.x))
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    try expectFloatingPoint(inputs)
    for axis in axes { try expectAxis(axis, of: inputs[0]) }
    guard zip(axes, axes.dropFirst()).allSatisfy(<) else { throw ProgramError("axes \(axes) must increase") }
    guard function == .sum || function == .sumSquares || count(inputs[0]) > 0 else {
      throw ProgramError("the \(function.rawValue) over no element of \(inputs[0])")
    }
    return [inputs[0].with(shape: inputs[0].shape.reduced(over: axes, keepDimensions: keepDimensions))]
  }

  /// How many elements fold into one.
  public func count(_ input: TensorType) -> Int { axes.reduce(1) { $0 * input.shape[$1] } }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let (x, dy) = (call.inputs[0], call.upstream[0]!)
    let kept = x.shape.reduced(over: axes, keepDimensions: true).extents
    let aligned = dy.shape.extents == kept ? dy : try builder.append(Reshape(shape: kept), dy)
    switch function {
    case .sum: return .flows([try builder.append(Broadcast(shape: x.shape.extents), aligned)])
    case .mean:
      let scale = try builder.scalar(1 / Double(count(x.type)), x.type.elementType)
      let scaled = try builder.append(Binary(.multiply), aligned, scale)
      return .flows([try builder.append(Broadcast(shape: x.shape.extents), scaled)])
    case .sumSquares:
      let two = try builder.scalar(2, x.type.elementType)
      let scaled = try builder.append(Binary(.multiply), aligned, two)
      return .flows([try builder.append(Binary(.multiply), x, scaled)])
    case .max, .min:
      // Elements that tie share the gradient evenly.
      let y = call.outputs[0]
      let best = y.shape.extents == kept ? y : try builder.append(Reshape(shape: kept), y)
      let isBest = try builder.append(Binary(.equal), x, best)
      let mask = try builder.append(Cast(to: x.type.elementType), isBest)
      let ties = try builder.append(Reduce(.sum, axes: axes, keepDimensions: true), mask)
      let share = try builder.append(Binary(.divide), aligned, ties)
      return .flows([try builder.append(Binary(.multiply), mask, share)])
    }
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    let result = Cost.elementwise(inputs, (try? outputTypes(for: inputs)) ?? [], flopsPerElement: 0)
    return Cost(flops: inputs[0].shape.elementCount, bytes: result.bytes)
  }

  public func errorBound(for inputs: [TensorType]) -> ErrorBound {
    let terms = count(inputs[0])
    return switch function {
    case .max, .min: .exact
    case .sum: .sums(terms: terms, share: 1)
    case .mean: .sums(terms: terms, share: 1 / Double(max(terms, 1)))
    case .sumSquares: .accumulation(terms: terms)
    }
  }
}

/// The index of the largest element along an axis; ties to the lowest index.
public struct ArgMax: TensorOperation {
  public static let name = "argmax"
  public static let law = "y = argmax of x along axis, as i32; ties to the lowest index; the first NaN wins"
  public static let specialValues = SpecialValueLaw(
    .everywhere, nan: "the index of the first NaN, if there is one", choice: "a tie goes to the lowest index")
  public var axis: Int

  public init(axis: Int) { self.axis = axis }

  public static var samples: [OperationSample] {
    [
      OperationSample(ArgMax(axis: 0), [.float32([1])]),
      OperationSample(ArgMax(axis: 1), [.float32([5, 10])]),
      OperationSample(ArgMax(axis: 1), [.float32([3, 7])], [.indices(2)]),
      OperationSample(ArgMax(axis: 0), [.float32([3, 4, 2])]),
      OperationSample(ArgMax(axis: 1), [.float32([0, 4])]),
    ]
  }

  /// Lines of every length, the longest also with the winner at the end, a number or NaN; and many lines.
  public static var furtherSamples: [OperationSample] {
    let lines: [(shape: [Int], axis: Int)] =
      BlockExtents.all.enumerated().map { index, extent in
        [([9, extent], 1), ([extent, 9], 0), ([2, extent, 3], 1)][index % 3]
      } + [([4097, 3], 1), ([257, 2, 3], 1), ([5, 3, 513], 1), ([3, 257, 2, 5], 2), (BlockExtents.ofMostAxes, 4)]
    let longest: [(shape: [Int], axis: Int)] = [
      ([9, 257], 1), ([9, 4097], 1), ([4097, 9], 0), ([65_537], 0), ([2, 65_537], 1),
    ]
    func sample(_ line: (shape: [Int], axis: Int), _ domain: OperationSample.Domain) -> OperationSample {
      OperationSample(ArgMax(axis: line.axis), [.float32(Shape(line.shape))], [domain]).forNumbers
    }
    return (lines + longest).map { sample($0, .range(-2, 2)) }
      + longest.flatMap { line in [.rising(-2, 2), .lastIsNaN(-2, 2)].map { sample(line, $0) } }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [.ties(sample)] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "a rounding would choose an index")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    try expectFloatingPoint(inputs)
    try expectAxis(axis, of: inputs[0])
    guard inputs[0].shape[axis] > 0 else { throw ProgramError("argmax over no element of \(inputs[0])") }
    return [TensorType(.int32, inputs[0].shape.reduced(over: [axis], keepDimensions: false))]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "an index has no derivative")
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, inputs) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

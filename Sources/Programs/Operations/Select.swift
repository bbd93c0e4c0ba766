/// `condition ? a : b`, elementwise with broadcasting.
public struct Select: TensorOperation {
  public static let name = "select"
  public static let law =
    "y = condition ? a : b, elementwise; operands: condition, a, b; they stretch as those of binary"
  public static let specialValues = SpecialValueLaw(
    .everywhere, nan: "the branch that is not chosen does not count: its NaN is not seen")

  public init() {}

  public static var samples: [OperationSample] {
    let shapes: [([Int], [Int], [Int])] = [
      ([1], [1], [1]), ([5, 3], [5, 3], []), ([3], [4, 3], [4, 1]), ([0, 2], [2], [1]),
    ]
    return shapes.map {
      OperationSample(
        Select(), [TensorType(.bool, Shape($0.0)), .float32(Shape($0.1)), .float32(Shape($0.2))],
        [.indices(2), .range(-2, 2), .range(-2, 2)])
    }
  }

  public static var furtherSamples: [OperationSample] {
    [ElementType.int32, .int64, .uint8].map { type in
      OperationSample(
        Select(), [TensorType(.bool, [13]), TensorType(type, [9, 13]), TensorType(type, [9, 1])],
        [.indices(2), .indices(9), .indices(9)])
    }
      + [
        ([65_537], [65_537], []), ([4097], [3, 4097], [3, 1]), ([513, 3], [513, 3], [513, 3]), ([], [257], [257]),
        ([3, 1], [3, 513], [513]), ([257, 1, 1], [257, 1, 3], [2, 1]), ([2, 257, 1], [2, 257, 3], [3]),
        ([2, 257, 1], [2, 1, 3], [2, 257, 3]),
        ([3, 513], [3, 1], [3, 513]),
        ([2, 3], [2, 3], [257, 2, 3]),
        ([2, 1, 2, 1, 3, 1, 2, 1], [1, 3, 1, 2, 1, 2, 1, 3], [2, 1, 1, 2, 3, 1, 1, 3]),
      ].map { (condition: [Int], a: [Int], b: [Int]) in
        OperationSample(
          Select(), [TensorType(.bool, Shape(condition)), .float32(Shape(a)), .float32(Shape(b))],
          [.indices(2), .range(-2, 2), .range(-2, 2)]
        ).forNumbers
      }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    let (a, b) = growth.exactPair()
    let condition = try growth.builder.append(Binary(.greater), a, b)
    let branch = growth.partner(of: condition)
    return try growth.builder.append(Select(), condition, branch, growth.builder.append(Unary(.negate), branch))
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 3)
    guard inputs[0].elementType == .bool else { throw ProgramError("the condition is \(inputs[0]), not bool") }
    guard inputs[1].elementType == inputs[2].elementType,
      let branches = inputs[1].shape.broadcast(with: inputs[2].shape),
      let shape = branches.broadcast(with: inputs[0].shape)
    else { throw ProgramError("\(inputs[0]) ? \(inputs[1]) : \(inputs[2]) does not fit together") }
    return [inputs[1].with(shape: shape)]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let (condition, dy) = (call.inputs[0], call.upstream[0]!)
    let zero = try builder.scalar(0, dy.type.elementType)
    var results: [Value?] = [nil, nil, nil]
    for index in 1...2 where call.isNeeded[index] {
      let chosen = try builder.append(Select(), condition, index == 1 ? dy : zero, index == 1 ? zero : dy)
      results[index] = try builder.sum(chosen, to: call.inputs[index].shape)
    }
    return .flows(results)
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, (try? outputTypes(for: inputs)) ?? []) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// Operations that look things up by whole numbers. An index outside its axis is an error at run time that names it;
/// nobody clamps it.

/// `y[…, c] = 1 where c is the index, else 0`.
public struct OneHot: ElementTypedOperation {
  public static let name = "oneHot"
  public static let law = "y[…,c] = 1 where c = indices[…], else 0; operand: indices, i32"
  public static let specialValues = SpecialValueLaw.unasked
  public var classes: Int
  public var elementType: ElementType

  public init(classes: Int, elementType: ElementType = .float32) {
    self.classes = classes
    self.elementType = elementType
  }

  public func with(elementType: ElementType) -> OneHot { OneHot(classes: classes, elementType: elementType) }

  public static var samples: [OperationSample] {
    [[1], [7], [2, 3], [0]].map {
      OperationSample(OneHot(classes: 5), [.int32(Shape($0))], [.indices(5)])
    }
  }

  /// Many classes, and many indices; rising ones reach the last class.
  public static var furtherSamples: [OperationSample] {
    let cases: [([Int], classes: Int)] = [
      ([9], 257), ([513], 5), ([5], 4097), ([4097], 3), ([2, 257], 3), ([257, 3], 4), ([2, 257, 3], 4), ([3], 65_537),
    ]
    return cases.flatMap { extents, classes in
      [.indices(classes), .rising(0, Double(classes - 1))].map {
        OperationSample(OneHot(classes: classes), [.int32(Shape(extents))], [$0]).forNumbers
      }
    }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "gather reads the labels")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    guard inputs[0].elementType == .int32 else { throw ProgramError("the indices are \(inputs[0]), not i32") }
    guard classes > 0 else { throw ProgramError("there must be at least one class") }
    return [TensorType(elementType, Shape(inputs[0].shape.extents + [classes]))]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "an index has no derivative")
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, (try? outputTypes(for: inputs)) ?? [], flopsPerElement: 0)
  }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// Which of T steps lie within each length: `y[n, t] = 1 where t < lengths[n], else 0`, or true and false. A length outside
/// 0 … T is an error.
public struct SequenceMask: ElementTypedOperation {
  public static let name = "sequenceMask"
  public static let law = "y[n,t] = 1 where t < lengths[n], else 0, t below steps; operand: lengths [N], i32"
  public static let specialValues = SpecialValueLaw.unasked
  /// T
  public var steps: Int
  public var elementType: ElementType

  public init(steps: Int, elementType: ElementType = .bool) {
    (self.steps, self.elementType) = (steps, elementType)
  }

  public func with(elementType: ElementType) -> SequenceMask { SequenceMask(steps: steps, elementType: elementType) }

  public static var samples: [OperationSample] {
    [([1], 5), ([7], 5), ([4], 1), ([0], 5)].map { (extents: [Int], steps: Int) in
      OperationSample(
        SequenceMask(steps: steps, elementType: .float32), [.int32(Shape(extents))], [.indices(steps + 1)])
    }
  }

  /// Many steps, and many lengths; rising ones reach the last step. As numbers, and as bools.
  public static var furtherSamples: [OperationSample] {
    let cases: [(count: Int, steps: Int)] = [(9, 257), (513, 5), (5, 4097), (4097, 3), (3, 65_537)]
    return cases.flatMap { count, steps in
      [ElementType.float32, .bool].flatMap { elementType in
        [.indices(steps + 1), .rising(0, Double(steps))].map {
          OperationSample(SequenceMask(steps: steps, elementType: elementType), [.int32([count])], [$0]).forNumbers
        }
      }
    }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(
    reason: "lengths come from data, and select reads masks")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    guard inputs[0].elementType == .int32, inputs[0].shape.rank == 1 else {
      throw ProgramError("the lengths are \(inputs[0]), not i32[N]")
    }
    guard steps > 0, steps < Int(Int32.max) else {
      throw ProgramError("there must be from 1 to 2³¹ − 2 steps, not \(steps)")
    }
    guard elementType == .bool || elementType.isFloatingPoint else {
      throw ProgramError("a mask is bool or of floating point, not \(elementType.rawValue)")
    }
    return [TensorType(elementType, [inputs[0].shape[0], steps])]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "a length has no derivative")
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, (try? outputTypes(for: inputs)) ?? [], flopsPerElement: 0)
  }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// Takes slices of `x` along an axis: `y[a…, i…, b…] = x[a…, indices[i…], b…]`.
public struct Gather: TensorOperation {
  public static let name = "gather"
  public static let law = "y[a…,i…,b…] = x[a…,indices[i…],b…], indices in place of axis; operands: x, indices (i32)"
  public static let specialValues = SpecialValueLaw.moved
  public var axis: Int

  public init(axis: Int) { self.axis = axis }

  public static var samples: [OperationSample] {
    let cases: [([Int], [Int], Int)] = [
      ([5], [3], 0), ([5, 3], [4], 0), ([2, 5, 3], [7], 1), ([2, 5], [2, 2], 1), ([5, 2], [0], 0),
    ]
    return cases.map {
      OperationSample(
        Gather(axis: $0.2), [.float32(Shape($0.0)), .int32(Shape($0.1))], [.range(-2, 2), .indices(5)])
    }
  }

  fileprivate static let longCases: [(x: [Int], indices: [Int], axis: Int)] = [
    ([257], [9], 0), ([65_537], [513], 0), ([4097, 3], [9], 0), ([3, 4097], [9], 1), ([5, 3], [4097], 0),
    ([3, 5], [513], 1), ([3, 5, 257], [4], 1), ([257, 5, 3], [4], 1), ([3, 257, 2], [257], 1), ([3, 5, 513], [7], 0),
    (BlockExtents.ofMostAxes, [2], 4),
  ]

  /// Long axes, gathered along and not, and many indices; rising ones reach the last slice.
  public static var furtherSamples: [OperationSample] {
    longCases.flatMap { (x, indices, axis) in
      [.indices(x[axis]), .rising(0, Double(x[axis] - 1))].map {
        OperationSample(
          Gather(axis: axis), [.float32(Shape(x)), .int32(Shape(indices))], [.range(-2, 2), $0]
        ).forNumbers
      }
    }
      + [([2, 513], [2, 3], 1), ([9, 2], [2, 257], 0), ([9, 2], [257, 2], 0), ([9], [2, 257, 3], 0)].map {
        (x: [Int], indices: [Int], axis: Int) in
        OperationSample(
          Gather(axis: axis), [.float32(Shape(x)), .int32(Shape(indices))], [.range(-2, 2), .indices(x[axis])]
        ).forNumbers
      }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    try growth.builder.append(
      Unary(.sigmoid), growth.builder.append(Gather(axis: 0), growth.table, growth.labels))
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 2)
    try expectAxis(axis, of: inputs[0])
    guard inputs[1].elementType == .int32 else { throw ProgramError("the indices are \(inputs[1]), not i32") }
    let x = inputs[0].shape.extents
    let extents: [Int] = Array(x[..<axis]) + inputs[1].shape.extents + Array(x[(axis + 1)...])
    return [inputs[0].with(shape: Shape(extents))]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let x = call.inputs[0]
    let zeros = try builder.append(Fill(value: 0, shape: x.shape.extents, elementType: x.type.elementType))
    return .flows([
      try builder.append(ScatterAdd(axis: axis), zeros, call.inputs[1], call.upstream[0]!), nil,
    ])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, (try? outputTypes(for: inputs)) ?? [], flopsPerElement: 0)
  }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// Adds slices onto `x` along an axis: `y = x; y[a…, indices[i…], b…] += updates[a…, i…, b…]`, in order of `i`.
public struct ScatterAdd: TensorOperation {
  public static let name = "scatterAdd"
  public static let law =
    "y = x; y[a…,indices[i…],b…] += updates[a…,i…,b…] in order of i; operands: x, indices (i32), updates"
  public static let specialValues = SpecialValueLaw(
    .sums, nan: "a NaN stays in its element, and comes into those that it is added to")
  public var axis: Int

  public init(axis: Int) { self.axis = axis }

  public static var samples: [OperationSample] {
    let cases: [(x: [Int], indices: [Int], axis: Int)] = [
      ([5], [3], 0), ([5, 3], [4], 0), ([2, 5, 3], [7], 1), ([5, 2], [0], 0),
    ]
    return cases.map { (x, indices, axis) in
      let updates: [Int] = Array(x[..<axis]) + indices + Array(x[(axis + 1)...])
      return OperationSample(
        ScatterAdd(axis: axis), [.float32(Shape(x)), .int32(Shape(indices)), .float32(Shape(updates))],
        [.range(-2, 2), .indices(5), .range(-2, 2)])
    }
  }

  /// Long axes, and many updates: of one slice, of all and of the last.
  public static var furtherSamples: [OperationSample] {
    Gather.longCases.flatMap { (x, indices, axis) in
      let updates: [Int] = Array(x[..<axis]) + indices + Array(x[(axis + 1)...])
      return [.indices(x[axis]), .rising(0, Double(x[axis] - 1))].map {
        OperationSample(
          ScatterAdd(axis: axis), [.float32(Shape(x)), .int32(Shape(indices)), .float32(Shape(updates))],
          [.range(-2, 2), $0, .range(-2, 2)]
        ).forNumbers
      }
    }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(
    reason: "it stands behind gather: training steps have it")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 3)
    try expectFloatingPoint([inputs[0], inputs[2]])
    let gathered = try Gather(axis: axis).outputTypes(for: Array(inputs[..<2]))[0]
    try expectSame(gathered, inputs[2])
    return [inputs[0]]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let dy = call.upstream[0]!
    return .flows([
      dy, nil, call.isNeeded[2] ? try builder.append(Gather(axis: axis), dy, call.inputs[1]) : nil,
    ])
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, [inputs[0]]) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound {
    .accumulation(terms: 1 + inputs[1].shape.elementCount)
  }
}

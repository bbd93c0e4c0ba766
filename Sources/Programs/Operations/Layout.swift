/// Operations that only move elements.

/// The same elements in another shape; costs nothing where memory is shared.
public struct Reshape: TensorOperation {
  public static let name = "reshape"
  public static let law = "y has x's elements in row-major order"
  public static let specialValues = SpecialValueLaw.moved
  public var shape: [Int]

  public init(shape: [Int]) { self.shape = shape }

  public static var samples: [OperationSample] {
    [([1], []), ([2, 3, 4], [6, 4]), ([0, 3], [3, 0]), ([5, 7], [35])].map {
      OperationSample(Reshape(shape: $0.1), [.float32(Shape($0.0))])
    }
  }

  public static var furtherSamples: [OperationSample] {
    [
      ([4097], [1, 4097]), ([513, 8], [8, 513]), ([65_537], [65_537, 1]), ([3, 257, 2], [2, 257, 3]),
      ([8, 513], [4104]),
    ].map {
      OperationSample(Reshape(shape: $0.1), [.float32(Shape($0.0))]).forNumbers
    }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    guard growth.x.shape.rank > 1 else { return nil }
    let extents = growth.x.shape.extents
    let shape =
      growth.next(2) == 0
      ? [extents[0], extents.dropFirst().reduce(1, *)] : [extents[0] * extents[1]] + Array(extents[2...])
    return try growth.builder.append(Reshape(shape: shape), growth.x)
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    let result = Shape(shape)
    guard result.isAddressable else { throw ProgramError("no machine holds \(result)") }
    guard result.elementCount == inputs[0].shape.elementCount else {
      throw ProgramError(
        "\(inputs[0]) has \(inputs[0].shape.elementCount) elements, \(result) has \(result.elementCount)")
    }
    return [inputs[0].with(shape: result)]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .flows([try builder.append(Reshape(shape: call.inputs[0].shape.extents), call.upstream[0]!)])
  }

  public func cost(for inputs: [TensorType]) -> Cost { Cost(flops: 0, bytes: 0) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// `y[i_p₀, i_p₁, …] = x[i₀, i₁, …]`: axis `a` of the result is axis `permutation[a]` of the operand.
public struct Transpose: TensorOperation {
  public static let name = "transpose"
  public static let law = "axis a of y is axis permutation[a] of x"
  public static let specialValues = SpecialValueLaw.moved
  public var permutation: [Int]

  public init(permutation: [Int]) { self.permutation = permutation }

  public static var samples: [OperationSample] {
    [
      ([1, 1], [1, 0]), ([5, 7], [1, 0]), ([2, 3, 4], [2, 0, 1]), ([0, 3], [1, 0]), ([2, 3, 5, 2], [0, 3, 1, 2]),
    ].map {
      OperationSample(Transpose(permutation: $0.1), [.float32(Shape($0.0))])
    }
  }

  /// Long axes in each place, and several blocks of both axes at once.
  public static var furtherSamples: [OperationSample] {
    [
      ([257, 65], [1, 0]), ([3, 4097], [1, 0]), ([4097, 3], [1, 0]), ([131, 133], [1, 0]), ([2, 513, 3], [0, 2, 1]),
      ([513, 2, 3], [1, 0, 2]), ([3, 2, 513], [2, 1, 0]), ([2, 65, 3, 67], [0, 3, 2, 1]), ([3, 257, 5], [1, 2, 0]),
      ([65_537], [0]), ([2, 3, 4, 5, 7], [4, 2, 0, 3, 1]), (BlockExtents.ofMostAxes, [7, 6, 5, 4, 3, 2, 1, 0]),
    ].map { OperationSample(Transpose(permutation: $0.1), [.float32(Shape($0.0))]).forNumbers }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    let rank = growth.x.shape.rank
    guard rank > 1 else { return nil }
    let turn = growth.next(rank)
    return try growth.builder.append(Transpose(permutation: (0..<rank).map { ($0 + turn) % rank }), growth.x)
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    guard permutation.sorted() == Array(0..<inputs[0].shape.rank) else {
      throw ProgramError("\(permutation) is no permutation of the axes of \(inputs[0])")
    }
    return [inputs[0].with(shape: Shape(permutation.map { inputs[0].shape[$0] }))]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let inverse = permutation.indices.map { permutation.firstIndex(of: $0)! }
    return .flows([try builder.append(Transpose(permutation: inverse), call.upstream[0]!)])
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, inputs, flopsPerElement: 0) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// Stretches axes of extent 1, and adds leading ones, to reach `shape` (NumPy's rule).
public struct Broadcast: TensorOperation {
  public static let name = "broadcast"
  public static let law = "y = x repeated along the axes it lacks or has with extent 1"
  public static let specialValues = SpecialValueLaw.moved
  public var shape: [Int]

  public init(shape: [Int]) { self.shape = shape }

  public static var samples: [OperationSample] {
    [([], [3]), ([1], [1]), ([5], [4, 5]), ([3, 1, 2], [3, 7, 2]), ([1, 3], [0, 3])].map {
      OperationSample(Broadcast(shape: $0.1), [.float32(Shape($0.0))])
    }
  }

  public static var furtherSamples: [OperationSample] {
    [
      ([513], [9, 513]), ([257, 1], [257, 9]), ([], [65_537]), ([1, 4097], [3, 4097]), ([4097, 1], [4097, 3]),
      ([1], [4097]), ([3, 1, 2], [3, 257, 2]), ([2, 257, 1], [2, 257, 3]), ([257, 1, 3], [257, 2, 3]),
      ([2, 1, 2, 1, 3, 1, 2, 1], BlockExtents.ofMostAxes),
    ].map { OperationSample(Broadcast(shape: $0.1), [.float32(Shape($0.0))]).forNumbers }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(
    reason: "operands of two shapes are stretched without it")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    guard inputs[0].shape.broadcast(with: Shape(shape)) == Shape(shape) else {
      throw ProgramError("\(inputs[0]) does not stretch to \(Shape(shape))")
    }
    return [inputs[0].with(shape: Shape(shape))]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .flows([try builder.sum(call.upstream[0]!, to: call.inputs[0].shape)])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, (try? outputTypes(for: inputs)) ?? [], flopsPerElement: 0)
  }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// `y[i₀, …] = x[starts₀ + i₀·strides₀, …]` for `i` below `sizes`.
public struct Slice: TensorOperation {
  public static let name = "slice"
  public static let law = "y[i…] = x[starts + i·strides…] for i < sizes"
  public static let specialValues = SpecialValueLaw.moved
  public var starts: [Int]
  public var sizes: [Int]
  public var strides: [Int]

  public init(starts: [Int], sizes: [Int], strides: [Int]? = nil) {
    self.starts = starts
    self.sizes = sizes
    self.strides = strides ?? starts.map { _ in 1 }
  }

  static let cases: [(slice: Slice, input: [Int])] = [
    (Slice(starts: [0], sizes: [1]), [1]),
    (Slice(starts: [1, 2], sizes: [3, 2]), [5, 7]),
    (Slice(starts: [1, 0], sizes: [2, 3], strides: [2, 3]), [5, 7]),
    (Slice(starts: [0, 1, 0], sizes: [2, 0, 3]), [2, 3, 3]),
  ]

  /// Parts of long axes: the last elements, most of them, and each third.
  static let longCases: [(slice: Slice, input: [Int])] = [
    (Slice(starts: [1], sizes: [4096]), [4097]),
    (Slice(starts: [65_000], sizes: [537]), [65_537]),
    (Slice(starts: [1, 2], sizes: [513, 3]), [515, 7]),
    (Slice(starts: [1, 3], sizes: [2, 4097]), [3, 4100]),
    (Slice(starts: [0, 2], sizes: [3, 1366], strides: [1, 3]), [3, 4100]),
    (Slice(starts: [2, 0], sizes: [257, 2], strides: [2, 1]), [517, 3]),
    (Slice(starts: [0, 5, 1], sizes: [2, 257, 3]), [3, 263, 5]),
    (Slice(starts: [255, 0, 1], sizes: [257, 2, 2]), [513, 2, 3]),
    (
      Slice(starts: [1, 0, 0, 1, 0, 0, 0, 1], sizes: [1, 2, 2, 1, 2, 2, 1, 2], strides: [1, 2, 1, 1, 2, 1, 1, 1]),
      BlockExtents.ofMostAxes
    ),
  ]

  public static var samples: [OperationSample] { cases.map { OperationSample($0.slice, [.float32(Shape($0.input))]) } }

  public static var furtherSamples: [OperationSample] {
    longCases.map { OperationSample($0.slice, [.float32(Shape($0.input))]).forNumbers }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    guard growth.x.shape.rank > 0 else { return nil }
    let extents = growth.x.shape.extents
    let starts = extents.map { growth.next($0) }
    let part = try growth.builder.append(Slice(starts: starts, sizes: zip(starts, extents).map { $1 - $0 }), growth.x)
    return try growth.builder.append(Pad(low: starts.map { _ in 0 }, high: starts, value: 0.5), part)
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    let rank = inputs[0].shape.rank
    guard starts.count == rank, sizes.count == rank, strides.count == rank,
      (0..<rank).allSatisfy({
        starts[$0] >= 0 && sizes[$0] >= 0 && strides[$0] >= 1
          && (sizes[$0] == 0 || starts[$0] + (sizes[$0] - 1) * strides[$0] < inputs[0].shape[$0])
      })
    else { throw ProgramError("starts \(starts), sizes \(sizes), strides \(strides) leave \(inputs[0])") }
    return [inputs[0].with(shape: Shape(sizes))]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .flows([
      try builder.append(
        SliceBackward(starts: starts, strides: strides, inputShape: call.inputs[0].shape.extents), call.upstream[0]!)
    ])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise([], (try? outputTypes(for: inputs)) ?? [], flopsPerElement: 0)
  }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// Puts a slice back where it came from, zeros elsewhere.
public struct SliceBackward: TensorOperation {
  public static let name = "slice/backward"
  public static let law = "dx[starts + i·strides…] = dy[i…], 0 elsewhere"
  public static let specialValues = SpecialValueLaw.moved
  public var starts: [Int]
  public var strides: [Int]
  public var inputShape: [Int]

  public init(starts: [Int], strides: [Int], inputShape: [Int]) {
    self.starts = starts
    self.strides = strides
    self.inputShape = inputShape
  }

  public static var samples: [OperationSample] {
    Slice.cases.map {
      OperationSample(
        SliceBackward(starts: $0.slice.starts, strides: $0.slice.strides, inputShape: $0.input),
        [.float32(Shape($0.slice.sizes))])
    }
  }

  public static var furtherSamples: [OperationSample] {
    Slice.longCases.map {
      OperationSample(
        SliceBackward(starts: $0.slice.starts, strides: $0.slice.strides, inputShape: $0.input),
        [.float32(Shape($0.slice.sizes))]
      ).forNumbers
    }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(
    reason: "it stands behind slice: training steps have it")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    let slice = Slice(starts: starts, sizes: inputs[0].shape.extents, strides: strides)
    let dx = inputs[0].with(shape: Shape(inputShape))
    _ = try slice.outputTypes(for: [dx])
    return [dx]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let slice = Slice(starts: starts, sizes: call.inputs[0].shape.extents, strides: strides)
    return .flows([try builder.append(slice, call.upstream[0]!)])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, (try? outputTypes(for: inputs)) ?? [], flopsPerElement: 0)
  }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// Joins tensors along an axis.
public struct Concatenate: TensorOperation {
  public static let name = "concatenate"
  public static let law = "y = the operands one after another along axis"
  public static let specialValues = SpecialValueLaw.moved
  public var axis: Int

  public init(axis: Int) { self.axis = axis }

  public static var samples: [OperationSample] {
    let cases: [([[Int]], Int)] = [
      ([[1]], 0), ([[2, 3], [4, 3]], 0), ([[2, 3], [2, 1], [2, 5]], 1), ([[2, 0, 2], [2, 3, 2]], 1),
    ]
    return cases.map { OperationSample(Concatenate(axis: $0.1), $0.0.map { .float32(Shape($0)) }) }
  }

  /// Long operands, and more of them than a kernel may take at once.
  public static var furtherSamples: [OperationSample] {
    let cases: [([[Int]], Int)] = [
      ([[4097], [513]], 0), ([[3, 257], [3, 4097]], 1), ([[257, 3], [4097, 3]], 0), ([[5], [65_537]], 0),
      ([[2, 257, 3], [2, 5, 3]], 1), ([[257, 2, 3], [257, 2, 4]], 2), ([[2, 3, 513], [4, 3, 513]], 0),
      ((1...17).map { [2, $0] }, 1),
      ([BlockExtents.ofMostAxes, [2, 3, 2, 2, 1, 2, 2, 3]], 4),
    ]
    return cases.map { OperationSample(Concatenate(axis: $0.1), $0.0.map { .float32(Shape($0)) }).forNumbers }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    guard growth.x.shape.rank > 0 else { return nil }
    return try growth.builder.append(Concatenate(axis: growth.next(growth.x.shape.rank)), growth.x, growth.x)
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    guard let first = inputs.first else { throw ProgramError("concatenate takes at least one operand") }
    try expectAxis(axis, of: first)
    var shape = first.shape
    for other in inputs.dropFirst() {
      var fitted = other.shape
      guard other.elementType == first.elementType, fitted.rank == shape.rank else {
        throw ProgramError("\(first) and \(other) cannot be joined")
      }
      fitted.extents[axis] = first.shape[axis]
      guard fitted == first.shape else { throw ProgramError("\(first) and \(other) differ off axis \(axis)") }
      shape.extents[axis] += other.shape[axis]
    }
    return [first.with(shape: shape)]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    var start = 0
    var results: [Value?] = []
    for (input, isNeeded) in zip(call.inputs, call.isNeeded) {
      var starts = input.shape.extents.map { _ in 0 }
      starts[axis] = start
      start += input.shape[axis]
      results.append(
        isNeeded ? try builder.append(Slice(starts: starts, sizes: input.shape.extents), call.upstream[0]!) : nil)
    }
    return .flows(results)
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, inputs, flopsPerElement: 0) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// Surrounds a tensor with a value: `low` elements before and `high` after, axis by axis.
public struct Pad: TensorOperation {
  public static let name = "pad"
  public static let law = "y[low + i…] = x[i…], value elsewhere"
  public static let specialValues = SpecialValueLaw.moved
  public var low: [Int]
  public var high: [Int]
  public var value: Double

  public init(low: [Int], high: [Int], value: Double = 0) {
    self.low = low
    self.high = high
    self.value = value
  }

  public static var samples: [OperationSample] {
    [([1], [0], [0], 0.0), ([3], [1], [2], 0.5), ([2, 3], [0, 1], [2, 0], 0.0), ([0, 2], [1, 0], [1, 1], -1.0)].map {
      OperationSample(Pad(low: $0.1, high: $0.2, value: $0.3), [.float32(Shape($0.0))])
    }
  }

  public static var furtherSamples: [OperationSample] {
    [
      ([4097], [3], [2], 0.5), ([65_537], [0], [1], -1.0), ([3, 513], [1, 2], [0, 5], 0.0),
      ([513, 3], [2, 0], [1, 1], 0.0), ([3], [4097], [257], 1.5), ([2, 257, 3], [0, 1, 2], [1, 3, 0], -0.5),
      ([257, 2, 3], [1, 0, 1], [0, 1, 0], 0.0),
      (BlockExtents.ofMostAxes, [0, 1, 0, 0, 1, 0, 0, 1], [1, 0, 0, 1, 0, 0, 1, 0], 0.5),
    ].map { OperationSample(Pad(low: $0.1, high: $0.2, value: $0.3), [.float32(Shape($0.0))]).forNumbers }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(
    reason: "it comes with slice, whose part it makes whole again")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    let x = inputs[0].shape
    guard low.count == x.rank, high.count == x.rank, (low + high).allSatisfy({ $0 >= 0 }) else {
      throw ProgramError("low \(low) and high \(high) need one non-negative number an axis of \(inputs[0])")
    }
    try expectNumber(value, inputs[0].elementType)
    return [inputs[0].with(shape: Shape((0..<x.rank).map { low[$0] + x[$0] + high[$0] }))]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .flows([try builder.append(Slice(starts: low, sizes: call.inputs[0].shape.extents), call.upstream[0]!)])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, (try? outputTypes(for: inputs)) ?? [], flopsPerElement: 0)
  }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// Turns an axis around: `y[a…, i, b…] = x[a…, n − 1 − i, b…]` for `n` elements along `axis`.
public struct Reverse: TensorOperation {
  public static let name = "reverse"
  public static let law = "y[a…,i,b…] = x[a…,n − 1 − i,b…], n elements along axis"
  public static let specialValues = SpecialValueLaw.moved
  public var axis: Int

  public init(axis: Int) { self.axis = axis }

  public static var samples: [OperationSample] {
    let cases: [([Int], Int)] = [
      ([1], 0), ([7], 0), ([5, 7], 0), ([5, 7], 1), ([2, 3, 4], 1), ([2, 0, 3], 0), ([0, 3], 0), ([0, 3], 1),
    ]
    return cases.map { OperationSample(Reverse(axis: $0.1), [.float32(Shape($0.0))]) }
  }

  public static var furtherSamples: [OperationSample] {
    [ElementType.int32, .int64, .uint8].flatMap { type in
      (0...2).map { OperationSample(Reverse(axis: $0), [TensorType(type, [3, 5, 37])], [.indices(200)]) }
    } + [OperationSample(Reverse(axis: 1), [TensorType(.bool, [3, 5])], [.indices(2)])]
      + [
        ([65_537], 0), ([3, 4097], 1), ([3, 4097], 0), ([4097, 3], 0), ([2, 513, 3], 1), ([257, 2, 3], 1),
        ([2, 3, 257], 2), (BlockExtents.ofMostAxes, 4),
      ].map { (extents: [Int], axis: Int) in
        OperationSample(Reverse(axis: axis), [.float32(Shape(extents))]).forNumbers
      }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    guard growth.x.shape.rank > 0 else { return nil }
    return try growth.builder.append(Reverse(axis: growth.next(growth.x.shape.rank)), growth.x)
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    try expectAxis(axis, of: inputs[0])
    return inputs
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .flows([try builder.append(self, call.upstream[0]!)])
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, inputs, flopsPerElement: 0) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

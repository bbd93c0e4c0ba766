/// Softmax and the cross-entropy of its result, fused so that neither overflows nor loses digits.

/// `y = e^(x − max x) / Σ e^(x − max x)` along an axis.
public struct Softmax: TensorOperation {
  public static let name = "softmax"
  public static let law = "y = exp(x − max x) / Σ exp(x − max x) along axis"
  public static let specialValues = SpecialValueLaw(
    .sums, nan: "one NaN or +∞ makes its line NaN; −∞ gives 0, a line of nothing else NaN")
  public var axis: Int

  public init(axis: Int) { self.axis = axis }

  public static var samples: [OperationSample] {
    let cases: [([Int], Int)] = [
      ([1], 0), ([5, 10], 1), ([3, 4, 2], 1), ([0, 3], 1), ([7, 13], 0), ([2, 6, 21], 1),
    ]
    // Of large numbers only the differences count.
    let large: [([Int], Int)] = [([4, 9], 1), ([2, 6, 21], 1)]
    return cases.map { OperationSample(Softmax(axis: $0.1), [.float32(Shape($0.0))]) }
      + large.map { OperationSample(Softmax(axis: $0.1), [.float32(Shape($0.0))], [.range(-150, 150)]) }
  }

  /// Lines of every length, along the last axis and along others.
  public static var furtherSamples: [OperationSample] {
    longLines.map { OperationSample(Softmax(axis: $0.axis), [.float32(Shape($0.shape))]).forNumbers } + [
      OperationSample(Softmax(axis: 1), [.float32([3, 4097])], [.lastIsNaN(-2, 2)]).forNumbers
    ]
  }

  fileprivate static let longLines: [(shape: [Int], axis: Int)] =
    BlockExtents.all.enumerated().map { index, extent in
      [([3, extent], 1), ([extent, 3], 0), ([2, extent, 3], 1)][index % 3]
    } + [([513], 0), ([257, 3, 5], 1), ([5, 2, 257], 1), ([2, 65_537], 1), (BlockExtents.ofMostAxes, 4)]

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    guard growth.x.shape.rank > 0 else { return nil }
    return try growth.builder.append(Softmax(axis: growth.next(growth.x.shape.rank)), growth.x)
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    try expectFloatingPoint(inputs)
    try expectAxis(axis, of: inputs[0])
    return inputs
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .flows([try builder.append(SoftmaxBackward(axis: axis), call.outputs[0], call.upstream[0]!)])
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, inputs, flopsPerElement: 4) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound {
    .ulps(16 + Double(inputs[0].shape[axis]).squareRoot())
  }
}

/// `dx = y · (dy − Σ y·dy)` along an axis.
public struct SoftmaxBackward: TensorOperation {
  public static let name = "softmax/backward"
  public static let law = "dx = y·(dy − Σ y·dy) along axis; operands: y (the result of softmax), dy"
  public static let specialValues = SpecialValueLaw(.sums, nan: "one NaN of y or dy makes its line NaN")
  public var axis: Int

  public init(axis: Int) { self.axis = axis }

  public static var samples: [OperationSample] {
    [([1], 0), ([5, 10], 1), ([3, 4, 2], 1), ([0, 3], 1), ([2, 6, 21], 1)].map {
      OperationSample(
        SoftmaxBackward(axis: $0.1), [.float32(Shape($0.0)), .float32(Shape($0.0))], [.range(0, 1), .range(-2, 2)])
    }
  }

  public static var furtherSamples: [OperationSample] {
    Softmax.longLines.map { (shape, axis) in
      let type = TensorType.float32(Shape(shape))
      return OperationSample(SoftmaxBackward(axis: axis), [type, type], [.range(0, 1), .range(-2, 2)]).forNumbers
    }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(
    reason: "it stands behind softmax: training steps have it")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 2)
    try expectFloatingPoint(inputs)
    try expectSame(inputs[0], inputs[1])
    try expectAxis(axis, of: inputs[0])
    return [inputs[0]]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "second derivatives of softmax are not built")
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, [inputs[0]], flopsPerElement: 4) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .accumulation(terms: 16 * inputs[0].shape[axis]) }
}

/// `loss[n] = Σ_c targets[n, c] · (ln Σ e^logits − logits[n, c])`, stable for any logits.
public struct SoftmaxCrossEntropy: TensorOperation {
  public static let name = "softmaxCrossEntropy"
  public static let law =
    "loss[n] = Σ_c targets[n,c]·(ln Σ exp(logits[n,·]) − logits[n,c]); operands: logits [N,classes], targets "
    + "[N,classes]"
  public static let specialValues = SpecialValueLaw(
    .sums,
    nan:
      "one NaN or +∞ among the logits makes the row NaN; a class whose target is 0 adds nothing, so a row of such is 0")

  public init() {}

  public static var samples: [OperationSample] {
    [[1, 1], [5, 10], [7, 3], [0, 4]].map {
      OperationSample(
        SoftmaxCrossEntropy(), [.float32(Shape($0)), .float32(Shape($0))], [.range(-4, 4), .probabilities])
    }
  }

  /// Targets with weights do not sum to 1.
  public static var furtherSamples: [OperationSample] {
    [OperationSample(SoftmaxCrossEntropy(), [.float32([5, 7]), .float32([5, 7])], [.range(-4, 4), .range(0, 2)])]
      + longRows.map { shape in
        let type = TensorType.float32(Shape(shape))
        return OperationSample(SoftmaxCrossEntropy(), [type, type], [.range(-4, 4), .probabilities]).forNumbers
      }
  }

  /// Many classes, and many rows.
  fileprivate static let longRows =
    BlockExtents.all.map { [3, $0] } + [[2, 65_537], [257, 5], [4097, 3]]

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "its targets are probabilities")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 2)
    try expectFloatingPoint(inputs)
    try expectRank(inputs[0], 2, "the logits [N, classes]")
    try expectSame(inputs[0], inputs[1])
    return [inputs[0].with(shape: [inputs[0].shape[0]])]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    guard !call.isNeeded[1] else { return .stops(reason: "the gradient of the targets is not built") }
    return .flows([
      try builder.append(SoftmaxCrossEntropyBackward(), call.inputs[0], call.inputs[1], call.upstream[0]!), nil,
    ])
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, [inputs[0]], flopsPerElement: 5) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .accumulation(terms: 16 * inputs[0].shape[1]) }
}

/// `dlogits = dloss · (softmax(logits) · Σ targets − targets)`.
public struct SoftmaxCrossEntropyBackward: TensorOperation {
  public static let name = "softmaxCrossEntropy/backward"
  public static let law =
    "dlogits[n,c] = dloss[n]·(softmax(logits)[n,c]·Σ targets[n,·] − targets[n,c]); operands: logits, targets, dloss [N]"
  public static let specialValues = SpecialValueLaw(
    .sums, nan: "one NaN or +∞ among the logits, or a NaN among the targets or of dloss, makes its row NaN")

  public init() {}

  public static var samples: [OperationSample] {
    [[1, 1], [5, 10], [7, 3], [0, 4]].map {
      OperationSample(
        SoftmaxCrossEntropyBackward(), [.float32(Shape($0)), .float32(Shape($0)), .float32([$0[0]])],
        [.range(-4, 4), .probabilities, .range(-2, 2)])
    }
  }

  public static var furtherSamples: [OperationSample] {
    [
      OperationSample(
        SoftmaxCrossEntropyBackward(), [.float32([5, 7]), .float32([5, 7]), .float32([5])],
        [.range(-4, 4), .range(0, 2), .range(-2, 2)])
    ]
      + SoftmaxCrossEntropy.longRows.map { shape in
        let type = TensorType.float32(Shape(shape))
        return OperationSample(
          SoftmaxCrossEntropyBackward(), [type, type, .float32([shape[0]])],
          [.range(-4, 4), .probabilities, .range(-2, 2)]
        ).forNumbers
      }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "its targets are probabilities")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 3)
    try expectFloatingPoint(inputs)
    try expectRank(inputs[0], 2, "the logits [N, classes]")
    try expectSame(inputs[0], inputs[1])
    try expectSame(inputs[2], inputs[0].with(shape: [inputs[0].shape[0]]))
    return [inputs[0]]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "second derivatives of the cross-entropy are not built")
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, [inputs[0]], flopsPerElement: 5) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .accumulation(terms: 16 * inputs[0].shape[1]) }
}

/// Maximum and average pooling over windows of an image `[N, H, W, C]`, and their gradients.
///
/// Padding is explicit as in a convolution. A padded cell never wins a maximum and does not count in an average
/// (Keras, `same`). The maximum of a tie is the cell with the lowest index, rows first.
public struct PoolingGeometry: Hashable, Sendable {
  public var poolSize: [Int]
  public var strides: [Int]
  public var padding: [Int]

  public init(poolSize: [Int], strides: [Int]? = nil, padding: [Int] = [0, 0, 0, 0]) {
    self.poolSize = poolSize
    self.strides = strides ?? poolSize
    self.padding = padding
  }

  func outputType(for x: TensorType) throws(ProgramError) -> TensorType {
    guard poolSize.count == 2 else { throw ProgramError("the pool size is [height, width]") }
    let size = try ConvolutionGeometry(strides: strides, padding: padding).outputSize(
      [x.shape[1], x.shape[2]], kernelSize: poolSize)
    guard (0..<4).allSatisfy({ padding[$0] < poolSize[$0 / 2] }) else {
      throw ProgramError("padding \(padding) leaves windows of \(poolSize) without a cell of the image")
    }
    return x.with(shape: [x.shape[0], size[0], size[1], x.shape[3]])
  }

  static let samples: [(PoolingGeometry, [Int])] = [
    (PoolingGeometry(poolSize: [1, 1]), [1, 1, 1, 1]),
    (PoolingGeometry(poolSize: [2, 2]), [2, 7, 5, 3]),
    (PoolingGeometry(poolSize: [2, 2]), [0, 4, 4, 2]),
    (PoolingGeometry(poolSize: [3, 2], strides: [2, 1]), [1, 8, 5, 2]),
    (PoolingGeometry(poolSize: [3, 3], strides: [2, 2], padding: [0, 1, 1, 1]), [2, 6, 7, 3]),
    (PoolingGeometry(poolSize: [2, 3], strides: [3, 3]), [1, 7, 11, 1]),
    (PoolingGeometry(poolSize: [2, 2]), [3, 26, 26, 5]),
    (PoolingGeometry(poolSize: [2, 2]), [9, 5, 4, 2]),
  ]

  /// Padded above and on the left, where the others are not.
  static let paddedSample = (
    geometry: PoolingGeometry(poolSize: [3, 2], strides: [1, 2], padding: [1, 1, 1, 1]),
    image: TensorType.float32([2, 5, 6, 3]), pooled: TensorType.float32([2, 5, 4, 3])
  )

  /// Numbers that half precision does not hold, and some whose sums it does not hold.
  static let magnitudes: [OperationSample.Domain] = [.range(1e4, 3e5), .range(1e-9, 1e-8)]

  /// Windows of many cells, with strides below and above their size, and long axes, with the types of image and result.
  static let longSamples: [(geometry: PoolingGeometry, image: TensorType, pooled: TensorType)] =
    long.compactMap { geometry, image in
      let type = TensorType.float32(Shape(image))
      return (try? geometry.outputType(for: type)).map { (geometry, type, $0) }
    }

  private static let long: [(PoolingGeometry, [Int])] = [
    (PoolingGeometry(poolSize: [5, 5]), [2, 11, 12, 3]),
    (PoolingGeometry(poolSize: [5, 5], strides: [2, 2], padding: [2, 2, 2, 2]), [2, 9, 8, 3]),
    (PoolingGeometry(poolSize: [3, 7], strides: [1, 1]), [1, 8, 15, 2]),
    (PoolingGeometry(poolSize: [3, 7], strides: [4, 9]), [2, 12, 26, 2]),
    (PoolingGeometry(poolSize: [1, 33]), [2, 3, 70, 2]),
    (PoolingGeometry(poolSize: [1, 33], strides: [1, 5]), [2, 3, 70, 3]),
    (PoolingGeometry(poolSize: [33, 1], strides: [40, 1]), [1, 75, 2, 3]),
    (PoolingGeometry(poolSize: [17, 16], strides: [3, 20]), [1, 21, 37, 2]),
    (PoolingGeometry(poolSize: [3, 3], strides: [2, 2], padding: [1, 1, 1, 1]), [2, 7, 8, 40]),
    (PoolingGeometry(poolSize: [2, 2]), [1, 515, 4, 2]),
    (PoolingGeometry(poolSize: [2, 2]), [1, 4, 515, 2]),
    (PoolingGeometry(poolSize: [3, 2], strides: [1, 1]), [1, 259, 4, 2]),
    (PoolingGeometry(poolSize: [2, 3], strides: [1, 1]), [1, 4, 259, 2]),
    (PoolingGeometry(poolSize: [3, 3], strides: [2, 2]), [1, 5, 5, 513]),
    (PoolingGeometry(poolSize: [3, 3], strides: [2, 2]), [257, 5, 4, 3]),
    // A window that is the whole image.
    (PoolingGeometry(poolSize: [16, 17]), [3, 16, 17, 5]),
  ]
}

public struct MaxPool2D: ImageOperation {
  public static let name = "maxPool2d"
  public static let law =
    "y[n,p,q,c] = maxᵢⱼ x[n, p·s₀ + i − top, q·s₁ + j − left, c]; ties to the lowest index; the first NaN wins"
    + "; operand: x [N,H,W,C]; a padded cell never wins"
  public static let specialValues = SpecialValueLaw(
    .everywhere, nan: "a window with a NaN gives NaN", choice: "a tie goes to the lowest index, rows first")
  public var poolSize: [Int]
  public var strides: [Int]
  public var padding: [Int]

  public init(_ geometry: PoolingGeometry) {
    (poolSize, strides, padding) = (geometry.poolSize, geometry.strides, geometry.padding)
  }

  public var geometry: PoolingGeometry { PoolingGeometry(poolSize: poolSize, strides: strides, padding: padding) }

  public static var samples: [OperationSample] {
    PoolingGeometry.samples.map { OperationSample(MaxPool2D($0.0), [.float32(Shape($0.1))], [.distinct]) }
  }

  public static var furtherSamples: [OperationSample] {
    let (geometry, image, _) = PoolingGeometry.paddedSample
    return [OperationSample(MaxPool2D(geometry), [image], [.distinct])]
      + PoolingGeometry.longSamples.flatMap { sample in
        [.distinct, .rising(-2, 2)].map {
          OperationSample(MaxPool2D(sample.geometry), [sample.image], [$0]).forNumbers
        }
      }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [.ties(sample)] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "its operands are images")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    try expectFloatingPoint(inputs)
    try expectRank(inputs[0], 4, "the image [N, H, W, C]")
    return [try geometry.outputType(for: inputs[0])]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .flows([try builder.append(MaxPool2DBackward(geometry), call.inputs[0], call.upstream[0]!)])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, (try? outputTypes(for: inputs)) ?? [], flopsPerElement: poolSize.reduce(1, *))
  }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// Sends each gradient to the cell that won its window; x `[N, H, W, C]`, dy like the result.
public struct MaxPool2DBackward: ImageOperation {
  public static let name = "maxPool2d/backward"
  public static let law =
    "dx = Σ of dy over the windows that x's cell won; ties to the lowest index, the first NaN wins"
    + "; operands: x [N,H,W,C], dy [N,H′,W′,C]; dx like x"
  public static let specialValues = SpecialValueLaw(
    .sums, nan: "the first NaN of a window gets its gradient; a NaN of dy reaches the winner alone",
    choice: "a tie goes to the lowest index, rows first")
  public var poolSize: [Int]
  public var strides: [Int]
  public var padding: [Int]

  public init(_ geometry: PoolingGeometry) {
    (poolSize, strides, padding) = (geometry.poolSize, geometry.strides, geometry.padding)
  }

  public var geometry: PoolingGeometry { PoolingGeometry(poolSize: poolSize, strides: strides, padding: padding) }

  public static var samples: [OperationSample] {
    PoolingGeometry.samples.compactMap { (geometry, image) in
      guard let y = try? geometry.outputType(for: .float32(Shape(image))) else { return nil }
      return OperationSample(
        MaxPool2DBackward(geometry), [.float32(Shape(image)), y], [.distinct, .range(-2, 2)])
    }
  }

  public static var furtherSamples: [OperationSample] {
    let (geometry, image, pooled) = PoolingGeometry.paddedSample
    return [OperationSample(MaxPool2DBackward(geometry), [image, pooled], [.distinct, .range(-2, 2)])]
      + PoolingGeometry.longSamples.map {
        OperationSample(MaxPool2DBackward($0.geometry), [$0.image, $0.pooled], [.distinct, .range(-2, 2)]).forNumbers
      }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [.ties(sample)] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "its operands are images")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 2)
    try expectFloatingPoint(inputs)
    try expectRank(inputs[0], 4, "the image [N, H, W, C]")
    try expectSame(try geometry.outputType(for: inputs[0]), inputs[1])
    return [inputs[0]]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "second derivatives of pooling are not built")
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, [inputs[0]]) }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .accumulation(terms: poolSize.reduce(1, *)) }
}

public struct AveragePool2D: ImageOperation {
  public static let name = "averagePool2d"
  public static let law =
    "y[n,p,q,c] = mean of x[n, p·s₀ + i − top, q·s₁ + j − left, c] over the cells inside the image"
    + "; operand: x [N,H,W,C]; a padded cell does not count"
  public static let specialValues = SpecialValueLaw(.sums, nan: "a window with a NaN gives NaN")
  public var poolSize: [Int]
  public var strides: [Int]
  public var padding: [Int]

  public init(_ geometry: PoolingGeometry) {
    (poolSize, strides, padding) = (geometry.poolSize, geometry.strides, geometry.padding)
  }

  public var geometry: PoolingGeometry { PoolingGeometry(poolSize: poolSize, strides: strides, padding: padding) }

  public static var samples: [OperationSample] {
    PoolingGeometry.samples.map { OperationSample(AveragePool2D($0.0), [.float32(Shape($0.1))]) }
  }

  public static var furtherSamples: [OperationSample] {
    let (geometry, image, _) = PoolingGeometry.paddedSample
    return [OperationSample(AveragePool2D(geometry), [image])]
      + PoolingGeometry.longSamples.map { OperationSample(AveragePool2D($0.geometry), [$0.image]).forNumbers }
      + PoolingGeometry.magnitudes.map { OperationSample(AveragePool2D(geometry), [image], [$0]).forNumbers }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "its operands are images")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    try expectFloatingPoint(inputs)
    try expectRank(inputs[0], 4, "the image [N, H, W, C]")
    return [try geometry.outputType(for: inputs[0])]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let x = call.inputs[0].shape
    return .flows([
      try builder.append(AveragePool2DBackward(geometry, inputSize: [x[1], x[2]]), call.upstream[0]!)
    ])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, (try? outputTypes(for: inputs)) ?? [], flopsPerElement: poolSize.reduce(1, *))
  }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .accumulation(terms: poolSize.reduce(1, *)) }
}

/// Spreads each gradient evenly over the cells of its window that lie inside the image.
public struct AveragePool2DBackward: ImageOperation {
  public static let name = "averagePool2d/backward"
  public static let law =
    "dx = Σ of dy / cells over the windows that contain x's cell, cells those of the window inside the image"
    + "; operand: dy [N,H′,W′,C]; dx [N,H,W,C]"
  public static let specialValues = SpecialValueLaw(.sums, nan: "a NaN of dy reaches each cell of its window")
  public var poolSize: [Int]
  public var strides: [Int]
  public var padding: [Int]
  /// `[H, W]` of the image; a stride leaves it open.
  public var inputSize: [Int]

  public init(_ geometry: PoolingGeometry, inputSize: [Int]) {
    (poolSize, strides, padding) = (geometry.poolSize, geometry.strides, geometry.padding)
    self.inputSize = inputSize
  }

  public var geometry: PoolingGeometry { PoolingGeometry(poolSize: poolSize, strides: strides, padding: padding) }

  public static var samples: [OperationSample] {
    PoolingGeometry.samples.compactMap { (geometry, image) in
      guard let y = try? geometry.outputType(for: .float32(Shape(image))) else { return nil }
      return OperationSample(AveragePool2DBackward(geometry, inputSize: Array(image[1...2])), [y])
    }
  }

  public static var furtherSamples: [OperationSample] {
    let (geometry, _, pooled) = PoolingGeometry.paddedSample
    return [OperationSample(AveragePool2DBackward(geometry, inputSize: [5, 6]), [pooled])]
      + PoolingGeometry.longSamples.map {
        let size = Array($0.image.shape.extents[1...2])
        return OperationSample(AveragePool2DBackward($0.geometry, inputSize: size), [$0.pooled]).forNumbers
      }
      + PoolingGeometry.magnitudes.map {
        OperationSample(AveragePool2DBackward(geometry, inputSize: [5, 6]), [pooled], [$0]).forNumbers
      }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "its operands are images")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    try expectFloatingPoint(inputs)
    try expectRank(inputs[0], 4, "the gradient [N, H′, W′, C]")
    guard inputSize.count == 2 else { throw ProgramError("inputSize is [height, width]") }
    let dx = inputs[0].with(shape: [inputs[0].shape[0], inputSize[0], inputSize[1], inputs[0].shape[3]])
    try expectSame(try geometry.outputType(for: dx), inputs[0])
    return [dx]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .flows([try builder.append(AveragePool2D(geometry), call.upstream[0]!)])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, (try? outputTypes(for: inputs)) ?? [], flopsPerElement: poolSize.reduce(1, *))
  }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .accumulation(terms: poolSize.reduce(1, *)) }
}

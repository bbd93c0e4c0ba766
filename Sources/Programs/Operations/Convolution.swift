/// Two-dimensional convolution (cross-correlation, as every framework has it) and its two gradients.
///
/// Shapes: x `[N, H, W, Cin]`, w `[Kh, Kw, Cin / groups, Cout]`, y `[N, H′, W′, Cout]`.
/// Padding is explicit, `[top, bottom, left, right]`; layers work out Keras's `same` rule, which is asymmetric.
public struct ConvolutionGeometry: Hashable, Sendable {
  public var strides: [Int]
  public var padding: [Int]
  public var dilations: [Int]
  public var groups: Int

  public init(strides: [Int] = [1, 1], padding: [Int] = [0, 0, 0, 0], dilations: [Int] = [1, 1], groups: Int = 1) {
    self.strides = strides
    self.padding = padding
    self.dilations = dilations
    self.groups = groups
  }

  /// Rows and columns of the result for an image of `size` and a kernel of `kernelSize`.
  public func outputSize(_ size: [Int], kernelSize: [Int]) throws(ProgramError) -> [Int] {
    guard strides.count == 2, dilations.count == 2, padding.count == 4, groups >= 1,
      (strides + dilations + kernelSize).allSatisfy({ $0 >= 1 }), padding.allSatisfy({ $0 >= 0 })
    else {
      throw ProgramError(
        "strides and dilations are two positive numbers, padding four non-negative ones (top, bottom, left, right)")
    }
    guard (strides + dilations + kernelSize + padding + size).allSatisfy({ $0 <= 1 << 30 }) else {
      throw ProgramError("strides, dilations, padding and sizes of a kernel and an image are at most 2³⁰")
    }
    var result = [0, 0]
    for axis in 0..<2 {
      let padded = size[axis] + padding[2 * axis] + padding[2 * axis + 1]
      let reach = (kernelSize[axis] - 1) * dilations[axis] + 1
      guard padded >= reach else {
        throw ProgramError(
          "a kernel of \(kernelSize[0])×\(kernelSize[1])"
            + (dilations == [1, 1] ? "" : " with dilation \(dilations[0])×\(dilations[1])")
            + " does not fit into an image of \(size[0])×\(size[1]); use padding: same, a smaller kernel or fewer poolings"
        )
      }
      result[axis] = (padded - reach) / strides[axis] + 1
    }
    return result
  }

  /// Keras's `same`: the result has ⌈size / stride⌉ rows; the odd cell of padding goes to the bottom and right.
  public static func samePadding(
    size: [Int], kernelSize: [Int], strides: [Int], dilations: [Int] = [1, 1]
  ) -> [Int] {
    (0..<2).flatMap { axis -> [Int] in
      let reach = (kernelSize[axis] - 1) * dilations[axis] + 1
      let rows = (size[axis] + strides[axis] - 1) / strides[axis]
      let total = max(0, (rows - 1) * strides[axis] + reach - size[axis])
      return [total / 2, total - total / 2]
    }
  }

  /// Cases of (geometry, image [N, H, W, Cin], kernel [Kh, Kw, Cout]).
  static let samples: [(geometry: ConvolutionGeometry, image: [Int], kernel: [Int])] = [
    (ConvolutionGeometry(), [1, 1, 1, 1], [1, 1, 1]),
    (ConvolutionGeometry(), [2, 7, 5, 3], [3, 3, 4]),
    (ConvolutionGeometry(), [0, 5, 5, 2], [3, 3, 2]),
    (ConvolutionGeometry(padding: [1, 1, 1, 1]), [3, 4, 6, 2], [3, 3, 5]),
    (ConvolutionGeometry(strides: [2, 3]), [2, 9, 11, 3], [3, 2, 4]),
    (ConvolutionGeometry(dilations: [2, 3]), [1, 9, 10, 2], [3, 3, 3]),
    (ConvolutionGeometry(strides: [2, 2], padding: [0, 1, 0, 1]), [2, 6, 6, 3], [3, 3, 7]),
    (ConvolutionGeometry(padding: [1, 2, 1, 2]), [1, 5, 5, 1], [4, 4, 2]),
    (ConvolutionGeometry(groups: 2), [2, 5, 6, 4], [3, 3, 6]),
    (
      ConvolutionGeometry(strides: [2, 1], padding: [1, 0, 2, 1], dilations: [1, 2], groups: 3), [2, 7, 8, 3],
      [2, 3, 3]
    ),
    (ConvolutionGeometry(padding: [1, 1, 1, 1], groups: 4), [1, 6, 5, 4], [3, 3, 4]),
    (ConvolutionGeometry(padding: [1, 1, 1, 1], groups: 3), [9, 4, 5, 3], [3, 3, 3]),
    (ConvolutionGeometry(padding: [3, 3, 3, 3]), [1, 4, 3, 2], [7, 7, 3]),
    (ConvolutionGeometry(), [5, 13, 13, 17], [3, 3, 33]),
  ]

  /// A geometry with the types of image, filter and result.
  typealias LongSample = (geometry: ConvolutionGeometry, x: TensorType, w: TensorType, y: TensorType)

  /// Convolutions that are too long for finite differences, with the types of image, filter and result.
  static let longSamples: [LongSample] =
    long.compactMap(types)

  /// Combinations of strides, dilation, padding and groups, and long axes.
  static let combinedSamples: [LongSample] =
    combined.compactMap(types)

  /// The types of image, filter and result; nil where the filter does not fit into the image.
  private static func types(
    _ geometry: ConvolutionGeometry, image: [Int], kernel: [Int]
  ) -> LongSample? {
    guard let size = try? geometry.outputSize(Array(image[1...2]), kernelSize: Array(kernel[...1])) else { return nil }
    return (
      geometry, .float32(Shape(image)), .float32([kernel[0], kernel[1], image[3] / geometry.groups, kernel[2]]),
      .float32([image[0], size[0], size[1], kernel[2]])
    )
  }

  /// Images and kernels (height, width, filters) whose convolutions are worked off in more than one piece.
  private static let long: [(ConvolutionGeometry, image: [Int], kernel: [Int])] = [
    // Transforms of two stages, and tiles: the last of one output, or of one less than the others.
    (ConvolutionGeometry(groups: 2), [9, 1, 50, 2], [1, 9, 2]),
    (ConvolutionGeometry(groups: 2), [2, 1, 200, 2], [1, 150, 2]),
    (ConvolutionGeometry(groups: 4), [1, 1, 257, 4], [1, 5, 4]),
    (ConvolutionGeometry(groups: 4), [1, 1, 2403, 4], [1, 5, 4]),
    (ConvolutionGeometry(), [1, 1, 200, 3], [1, 150, 2]),
    (ConvolutionGeometry(), [1, 70, 5, 1], [67, 3, 2]),
    (ConvolutionGeometry(), [1, 120, 110, 1], [3, 3, 2]),
    (ConvolutionGeometry(strides: [1, 2], groups: 2), [2, 1, 51, 2], [1, 9, 2]),
    (ConvolutionGeometry(groups: 4), [1, 1, 17000, 4], [1, 16500, 4]),
    // The same with few results, for those who are asked quickly.
    (ConvolutionGeometry(groups: 4), [1, 1, 16519, 4], [1, 16500, 4]),
    // More channels than are transformed at once, and one pair of them along two axes.
    (ConvolutionGeometry(), [1, 6, 6, 300], [3, 3, 1]),
    (ConvolutionGeometry(groups: 300), [1, 6, 6, 300], [3, 3, 300]),
    (ConvolutionGeometry(groups: 2), [1, 32, 32, 2], [5, 5, 2]),
    (ConvolutionGeometry(strides: [2, 2], groups: 2), [1, 7, 7, 520], [3, 3, 2]),
    // So many channels, or filters, that few results are made at once.
    (ConvolutionGeometry(), [2, 8, 9, 1040], [1, 2, 12]),
    (ConvolutionGeometry(), [2, 8, 9, 12], [1, 2, 1040]),
    // More bytes than a slice of a sum over the batch has, or than a small budget holds.
    (ConvolutionGeometry(), [7, 40, 40, 16], [1, 1, 8]),
    (ConvolutionGeometry(padding: [1, 1, 1, 1]), [24, 16, 15, 16], [3, 3, 16]),
    // Channels and filters that fill vectors, of images that fill tiles of 4×4 or 2×2 results, or leave a rest.
    (ConvolutionGeometry(), [3, 14, 10, 16], [3, 3, 32]),
    (ConvolutionGeometry(padding: [1, 1, 1, 1]), [2, 13, 11, 32], [3, 3, 16]),
    (ConvolutionGeometry(padding: [1, 1, 1, 1]), [2, 6, 6, 32], [3, 3, 48]),
    (ConvolutionGeometry(padding: [2, 2, 2, 2]), [2, 10, 10, 16], [3, 3, 32]),
    // Filters, channels and images that leave a rest of a block.
    (ConvolutionGeometry(), [2, 5, 4, 3], [3, 3, 15]),
    (ConvolutionGeometry(), [2, 5, 4, 3], [3, 3, 16]),
    (ConvolutionGeometry(), [2, 5, 4, 3], [3, 3, 17]),
    (ConvolutionGeometry(), [2, 5, 4, 3], [3, 2, 33]),
    (ConvolutionGeometry(), [2, 4, 4, 17], [2, 3, 65]),
    (ConvolutionGeometry(), [17, 4, 4, 2], [3, 3, 5]),
    (ConvolutionGeometry(), [61, 4, 3, 3], [2, 2, 9]),
    (ConvolutionGeometry(), [250, 3, 3, 2], [2, 2, 7]),
    // Three groups, of more than one channel each.
    (ConvolutionGeometry(padding: [1, 1, 1, 1], groups: 3), [2, 5, 4, 6], [3, 3, 9]),
    (ConvolutionGeometry(strides: [2, 1], groups: 5), [3, 7, 5, 15], [2, 3, 10]),
    // One pixel for each result, but not each pixel, of few channels and of more than eight.
    (ConvolutionGeometry(strides: [2, 2]), [2, 5, 7, 3], [1, 1, 5]),
    (ConvolutionGeometry(strides: [2, 3]), [3, 7, 7, 9], [1, 1, 17]),
    // Padding on one side of an axis along which nothing else happens.
    (ConvolutionGeometry(padding: [1, 0, 0, 0]), [2, 4, 9, 2], [1, 3, 2]),
    (ConvolutionGeometry(padding: [0, 0, 2, 0]), [2, 9, 4, 2], [3, 1, 2]),
  ]

  private static let combined: [(ConvolutionGeometry, image: [Int], kernel: [Int])] = [
    // Strides of three, on both axes and on one, also of filters that are smaller.
    (ConvolutionGeometry(strides: [3, 3]), [2, 11, 13, 5], [3, 3, 9]),
    (ConvolutionGeometry(strides: [3, 1]), [2, 11, 7, 4], [2, 3, 5]),
    (ConvolutionGeometry(strides: [1, 3]), [2, 7, 11, 4], [3, 2, 5]),
    (ConvolutionGeometry(strides: [3, 3], padding: [1, 1, 1, 1]), [2, 10, 11, 8], [5, 5, 8]),
    (ConvolutionGeometry(strides: [3, 3], padding: [1, 1, 1, 1], groups: 5), [2, 11, 10, 5], [3, 3, 5]),
    (ConvolutionGeometry(strides: [3, 2], groups: 2), [2, 11, 9, 6], [3, 3, 8]),
    // Stride and dilation on one axis.
    (ConvolutionGeometry(strides: [2, 2], padding: [1, 1, 1, 1], dilations: [2, 2]), [2, 11, 12, 5], [3, 3, 7]),
    (ConvolutionGeometry(strides: [2, 1], dilations: [2, 1]), [2, 11, 6, 3], [3, 3, 4]),
    (ConvolutionGeometry(strides: [1, 2], dilations: [1, 2]), [2, 6, 11, 3], [3, 3, 4]),
    (ConvolutionGeometry(strides: [3, 3], dilations: [2, 2]), [2, 12, 11, 3], [3, 3, 4]),
    (ConvolutionGeometry(strides: [2, 2], dilations: [2, 2], groups: 4), [2, 11, 11, 4], [3, 3, 4]),
    (ConvolutionGeometry(strides: [2, 2], dilations: [2, 2], groups: 2), [2, 11, 10, 6], [3, 3, 8]),
    // Dilation within groups of several channels and filters, and of one channel with several filters.
    (ConvolutionGeometry(dilations: [2, 2], groups: 2), [2, 9, 10, 6], [3, 3, 8]),
    (ConvolutionGeometry(padding: [2, 2, 2, 2], dilations: [2, 2], groups: 2), [2, 8, 7, 6], [3, 3, 8]),
    (ConvolutionGeometry(dilations: [2, 1], groups: 3), [2, 8, 7, 6], [3, 3, 12]),
    (ConvolutionGeometry(dilations: [1, 2], groups: 4), [2, 7, 9, 4], [3, 3, 8]),
    // Dilation with the padding that keeps the image's size, dense and each channel for itself.
    (ConvolutionGeometry(padding: [2, 2, 2, 2], dilations: [2, 2]), [2, 8, 9, 5], [3, 3, 6]),
    (ConvolutionGeometry(padding: [2, 2, 2, 2], dilations: [2, 2], groups: 5), [2, 8, 9, 5], [3, 3, 5]),
    (ConvolutionGeometry(padding: [1, 2, 0, 3], dilations: [2, 3]), [2, 9, 8, 3], [3, 3, 4]),
    (ConvolutionGeometry(padding: [1, 2, 0, 3], dilations: [2, 3], groups: 4), [2, 9, 8, 4], [3, 3, 4]),
    // More channels and more filters than a block has, of filters of several cells.
    (ConvolutionGeometry(), [1, 8, 9, 33], [5, 5, 40]),
    (ConvolutionGeometry(), [2, 6, 7, 40], [3, 3, 33]),
    (ConvolutionGeometry(padding: [1, 1, 1, 1]), [2, 6, 7, 33], [3, 3, 40]),
    (ConvolutionGeometry(strides: [2, 2], padding: [0, 1, 0, 1]), [2, 8, 8, 40], [3, 3, 33]),
    (ConvolutionGeometry(dilations: [2, 2]), [1, 8, 7, 36], [3, 3, 39]),
    // Each axis long: batch, height, width, channels, filters, and the filter's own.
    (ConvolutionGeometry(), [257, 3, 3, 2], [2, 2, 3]),
    (ConvolutionGeometry(), [1, 515, 4, 2], [3, 3, 3]),
    (ConvolutionGeometry(), [1, 4, 515, 2], [3, 3, 3]),
    (ConvolutionGeometry(padding: [1, 1, 1, 1]), [1, 4, 3, 513], [3, 3, 3]),
    (ConvolutionGeometry(padding: [1, 1, 1, 1]), [1, 4, 3, 3], [3, 3, 513]),
    (ConvolutionGeometry(), [2, 3, 3, 513], [1, 1, 9]),
    (ConvolutionGeometry(), [1, 300, 3, 1], [257, 2, 2]),
    (ConvolutionGeometry(), [1, 3, 300, 1], [2, 257, 2]),
  ]

  /// Numbers of image and filter, or of result and filter, whose products are beyond what half precision holds, above and
  /// below.
  static let magnitudes: [[OperationSample.Domain]] = [
    [.range(-3e4, 3e4), .range(-300, 300)], [.range(-2e-5, 2e-5), .range(-2e-5, 2e-5)],
  ]

  /// Those of a few geometries that are asked with them.
  static var magnitudeSamples: [LongSample] {
    [
      (ConvolutionGeometry(padding: [1, 1, 1, 1]), [2, 6, 5, 4], [3, 3, 5]),
      (ConvolutionGeometry(padding: [1, 1, 1, 1], groups: 4), [2, 6, 5, 4], [3, 3, 4]),
      (ConvolutionGeometry(), [2, 6, 5, 4], [1, 1, 5]),
    ].compactMap(types)
  }

  func cost(multiplies: [Int], _ types: [TensorType]) -> Cost {
    Cost(flops: 2 * Cost.product(multiplies), bytes: types.reduce(0) { $0 + $1.byteCount })
  }
}

extension SpecialValueLaw {
  /// Whether 0·NaN of a padded cell and a NaN tap is added is free: a backend may unfold the padding or skip it.
  fileprivate static let convolution = SpecialValueLaw(
    .spread,
    nan: "a NaN reaches each result that has a part in it; a transform may spread it over its image or filter, and "
      + "whether 0·NaN in the padding counts is free")
}

public struct Convolution2D: ImageOperation {
  public static let name = "conv2d"
  public static let law =
    "y[n,p,q,k] = Σᵢⱼ꜀ x[n, p·s₀ + i·d₀ − top, q·s₁ + j·d₁ − left, c]·w[i,j,c,k], c within k's group, x = 0 outside"
    + "; operands: x [N,H,W,C], w [kh,kw,C/groups,K]; y [N,H′,W′,K]; group g reads the C/groups channels from "
    + "g·C/groups and makes the K/groups filters from g·K/groups"
  public static let specialValues = SpecialValueLaw.convolution
  public var strides: [Int]
  public var padding: [Int]
  public var dilations: [Int]
  public var groups: Int

  public init(_ geometry: ConvolutionGeometry = ConvolutionGeometry()) {
    (strides, padding, dilations, groups) = (geometry.strides, geometry.padding, geometry.dilations, geometry.groups)
  }

  public var geometry: ConvolutionGeometry {
    ConvolutionGeometry(strides: strides, padding: padding, dilations: dilations, groups: groups)
  }

  public static var samples: [OperationSample] {
    ConvolutionGeometry.samples.map { (geometry, image, kernel) in
      OperationSample(
        Convolution2D(geometry),
        [.float32(Shape(image)), .float32([kernel[0], kernel[1], image[3] / geometry.groups, kernel[2]])])
    }
  }

  public static var furtherSamples: [OperationSample] {
    ConvolutionGeometry.longSamples.map { OperationSample(Convolution2D($0.geometry), [$0.x, $0.w]) } + [
      // Mostly background, in several blocks of channels.
      OperationSample(
        Convolution2D(ConvolutionGeometry(groups: 300)), [.float32([1, 6, 6, 300]), .float32([3, 3, 1, 300])],
        [.background(-2, 2), .range(-2, 2)])
    ]
      + ConvolutionGeometry.combinedSamples.map {
        OperationSample(Convolution2D($0.geometry), [$0.x, $0.w]).forNumbers
      }
      + ConvolutionGeometry.magnitudeSamples.flatMap { sample in
        ConvolutionGeometry.magnitudes.map {
          OperationSample(Convolution2D(sample.geometry), [sample.x, sample.w], $0).forNumbers
        }
      }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [.background] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "its operands are images")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 2)
    try expectFloatingPoint(inputs)
    let (x, w) = (inputs[0], inputs[1])
    try expectRank(x, 4, "the image [N, H, W, C]")
    try expectRank(w, 4, "the filter [Kh, Kw, Cin / groups, Cout]")
    guard groups >= 1, x.shape[3] == w.shape[2] * groups, w.shape[3] % groups == 0 else {
      throw ProgramError(
        "the image \(x) has \(x.shape[3]) channels, the filter \(w) with \(groups) groups takes "
          + "\(w.shape[2] * max(groups, 1)) and must give a multiple of \(groups)")
    }
    let size = try geometry.outputSize([x.shape[1], x.shape[2]], kernelSize: [w.shape[0], w.shape[1]])
    return [x.with(shape: [x.shape[0], size[0], size[1], w.shape[3]])]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let (x, w, dy) = (call.inputs[0], call.inputs[1], call.upstream[0]!)
    // The filter first: it may then share a pass over dy with the bias, which comes just before.
    let dw =
      call.isNeeded[1]
      ? try builder.append(Convolution2DBackwardFilter(geometry, kernelSize: [w.shape[0], w.shape[1]]), x, dy) : nil
    let dx =
      call.isNeeded[0]
      ? try builder.append(Convolution2DBackwardInput(geometry, inputSize: [x.shape[1], x.shape[2]]), dy, w) : nil
    return .flows([dx, dw])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    guard let y = try? outputTypes(for: inputs)[0] else { return Cost(flops: 0, bytes: 0) }
    let w = inputs[1].shape
    return geometry.cost(multiplies: [y.shape.elementCount, w[0], w[1], w[2]], inputs + [y])
  }

  public func errorBound(for inputs: [TensorType]) -> ErrorBound {
    .accumulation(terms: inputs[1].shape.extents.dropLast().reduce(1, *))
  }
}

/// The gradient of a convolution with respect to its image.
public struct Convolution2DBackwardInput: ImageOperation {
  public static let name = "conv2d/backwardInput"
  public static let law =
    "dx[n,h,v,c] = Σ dy[n,p,q,k]·w[i,j,c,k] over p·s₀ + i·d₀ − top = h, q·s₁ + j·d₁ − left = v"
    + "; operands: dy [N,H′,W′,K], w [kh,kw,C/groups,K]; dx [N,H,W,C]; k runs over the filters of c's group, and c in "
    + "w counts within it"
  public static let specialValues = SpecialValueLaw.convolution
  public var strides: [Int]
  public var padding: [Int]
  public var dilations: [Int]
  public var groups: Int
  /// `[H, W]` of the image; a stride leaves it open.
  public var inputSize: [Int]

  public init(_ geometry: ConvolutionGeometry, inputSize: [Int]) {
    (strides, padding, dilations, groups) = (geometry.strides, geometry.padding, geometry.dilations, geometry.groups)
    self.inputSize = inputSize
  }

  public var geometry: ConvolutionGeometry {
    ConvolutionGeometry(strides: strides, padding: padding, dilations: dilations, groups: groups)
  }

  public static var samples: [OperationSample] {
    ConvolutionGeometry.samples.compactMap { (geometry, image, kernel) in
      guard let size = try? geometry.outputSize(Array(image[1...2]), kernelSize: Array(kernel[...1])) else {
        return nil
      }
      return OperationSample(
        Convolution2DBackwardInput(geometry, inputSize: Array(image[1...2])),
        [
          .float32([image[0], size[0], size[1], kernel[2]]),
          .float32([kernel[0], kernel[1], image[3] / geometry.groups, kernel[2]]),
        ])
    }
  }

  public static var furtherSamples: [OperationSample] {
    func sample(_ long: ConvolutionGeometry.LongSample, _ domains: [OperationSample.Domain] = [.range(-2, 2)])
      -> OperationSample
    {
      OperationSample(
        Convolution2DBackwardInput(long.geometry, inputSize: Array(long.x.shape.extents[1...2])), [long.y, long.w],
        domains)
    }
    return ConvolutionGeometry.longSamples.map { sample($0) }
      + ConvolutionGeometry.combinedSamples.map { sample($0).forNumbers }
      + ConvolutionGeometry.magnitudeSamples.flatMap { long in
        ConvolutionGeometry.magnitudes.map { sample(long, $0).forNumbers }
      }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [.background] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "its operands are images")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 2)
    try expectFloatingPoint(inputs)
    let (dy, w) = (inputs[0], inputs[1])
    try expectRank(dy, 4, "the gradient [N, H′, W′, C]")
    try expectRank(w, 4, "the filter [Kh, Kw, Cin / groups, Cout]")
    guard inputSize.count == 2 else { throw ProgramError("inputSize is [height, width]") }
    let size = try geometry.outputSize(inputSize, kernelSize: [w.shape[0], w.shape[1]])
    guard Array(dy.shape.extents[1...]) == size + [w.shape[3]] else {
      throw ProgramError("the gradient \(dy) does not belong to an image of \(inputSize) and the filter \(w)")
    }
    return [dy.with(shape: [dy.shape[0], inputSize[0], inputSize[1], w.shape[2] * groups])]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let (dy, w, upstream) = (call.inputs[0], call.inputs[1], call.upstream[0]!)
    return .flows([
      call.isNeeded[0] ? try builder.append(Convolution2D(geometry), upstream, w) : nil,
      call.isNeeded[1]
        ? try builder.append(Convolution2DBackwardFilter(geometry, kernelSize: [w.shape[0], w.shape[1]]), upstream, dy)
        : nil,
    ])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    guard let dx = try? outputTypes(for: inputs)[0] else { return Cost(flops: 0, bytes: 0) }
    let w = inputs[1].shape
    return geometry.cost(multiplies: [inputs[0].shape.elementCount, w[0], w[1], w[2]], inputs + [dx])
  }

  public func errorBound(for inputs: [TensorType]) -> ErrorBound {
    let w = inputs[1].shape
    return .accumulation(terms: w[0] * w[1] * w[3] / groups)
  }
}

/// The gradient of a convolution with respect to its filter.
public struct Convolution2DBackwardFilter: ImageOperation {
  public static let name = "conv2d/backwardFilter"
  public static let law =
    "dw[i,j,c,k] = Σₙₚ_q x[n, p·s₀ + i·d₀ − top, q·s₁ + j·d₁ − left, c]·dy[n,p,q,k]"
    + "; operands: x [N,H,W,C], dy [N,H′,W′,K]; dw [kh,kw,C/groups,K], c counts within k's group"
  public static let specialValues = SpecialValueLaw.convolution
  public var strides: [Int]
  public var padding: [Int]
  public var dilations: [Int]
  public var groups: Int
  /// `[Kh, Kw]`; a stride leaves it open.
  public var kernelSize: [Int]

  public init(_ geometry: ConvolutionGeometry, kernelSize: [Int]) {
    (strides, padding, dilations, groups) = (geometry.strides, geometry.padding, geometry.dilations, geometry.groups)
    self.kernelSize = kernelSize
  }

  public var geometry: ConvolutionGeometry {
    ConvolutionGeometry(strides: strides, padding: padding, dilations: dilations, groups: groups)
  }

  public static var samples: [OperationSample] {
    ConvolutionGeometry.samples.compactMap { (geometry, image, kernel) in
      guard let size = try? geometry.outputSize(Array(image[1...2]), kernelSize: Array(kernel[...1])) else {
        return nil
      }
      return OperationSample(
        Convolution2DBackwardFilter(geometry, kernelSize: Array(kernel[...1])),
        [.float32(Shape(image)), .float32([image[0], size[0], size[1], kernel[2]])])
    }
  }

  public static var furtherSamples: [OperationSample] {
    func sample(_ long: ConvolutionGeometry.LongSample, _ domains: [OperationSample.Domain] = [.range(-2, 2)])
      -> OperationSample
    {
      OperationSample(
        Convolution2DBackwardFilter(long.geometry, kernelSize: Array(long.w.shape.extents[..<2])), [long.x, long.y],
        domains)
    }
    return ConvolutionGeometry.longSamples.map { sample($0) }
      + ConvolutionGeometry.combinedSamples.map { sample($0).forNumbers }
      + ConvolutionGeometry.magnitudeSamples.flatMap { long in
        ConvolutionGeometry.magnitudes.map { sample(long, $0).forNumbers }
      }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "its operands are images")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 2)
    try expectFloatingPoint(inputs)
    let (x, dy) = (inputs[0], inputs[1])
    try expectRank(x, 4, "the image [N, H, W, C]")
    try expectRank(dy, 4, "the gradient [N, H′, W′, C]")
    guard kernelSize.count == 2 else { throw ProgramError("kernelSize is [height, width]") }
    let size = try geometry.outputSize([x.shape[1], x.shape[2]], kernelSize: kernelSize)
    guard Array(dy.shape.extents[...2]) == [x.shape[0]] + size, x.shape[3] % groups == 0, dy.shape[3] % groups == 0
    else { throw ProgramError("the gradient \(dy) does not belong to the image \(x) and a kernel of \(kernelSize)") }
    return [x.with(shape: [kernelSize[0], kernelSize[1], x.shape[3] / groups, dy.shape[3]])]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    let (x, dy, upstream) = (call.inputs[0], call.inputs[1], call.upstream[0]!)
    return .flows([
      call.isNeeded[0]
        ? try builder.append(Convolution2DBackwardInput(geometry, inputSize: [x.shape[1], x.shape[2]]), dy, upstream)
        : nil,
      call.isNeeded[1] ? try builder.append(Convolution2D(geometry), x, upstream) : nil,
    ])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    guard let dw = try? outputTypes(for: inputs)[0] else { return Cost(flops: 0, bytes: 0) }
    return geometry.cost(
      multiplies: [inputs[1].shape.elementCount, dw.shape[0], dw.shape[1], dw.shape[2]], inputs + [dw])
  }

  public func errorBound(for inputs: [TensorType]) -> ErrorBound {
    .accumulation(terms: inputs[1].shape.extents.dropLast().reduce(1, *))
  }
}

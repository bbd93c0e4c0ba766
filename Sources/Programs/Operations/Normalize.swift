/// Normalization by statistics of each sample: layer, group, instance and RMS normalization are one operation, and its
/// gradient another. Scale and offset are a multiplication and an addition behind it.

/// x to mean 0 and variance 1 within each group of each sample; the results are x̂ and 1/σ.
///
/// The axes before `axis` are N samples. The others are S positions and, along the last axis, C channels, which are cut
/// into G groups of neighbours: x is seen as [N, S, G, C/G]. Mean and variance are of the S·C/G numbers of a sample's
/// group; the variance is the biased one.
///
/// - Layer normalization over the last k axes: `axis` is rank − k, one group (Ba, Kiros and Hinton, 2016, equation 4).
/// - Group normalization of images [N, H, W, C]: `axis` 1 (Wu and He, 2018, equations 1 and 2).
/// - Instance normalization: the same with a group for each channel (Ulyanov, Vedaldi and Lempitsky, 2016, equation 2).
/// - RMS normalization: no mean is subtracted, σ² is the mean square (Zhang and Sennrich, 2019, equation 4).
public struct Normalize: CompositeOperation {
  public static let name = "normalize"
  public static let law =
    "x̂ = (x − μ)·(1/σ) and 1/σ = 1/√(mean((x − μ)²) + epsilon), where x is seen as [N, S, groups, C/groups]: N the axes "
    + "before axis, C the last one; μ and σ are of each sample's group, over S and C/groups; μ is 0 unless centered; "
    + "results: x̂ like x, 1/σ with the axes before axis and groups"
  public static let specialValues = SpecialValueLaw(
    .sums,
    nan:
      "a NaN makes its group NaN, and so does an infinity where the mean is subtracted; elsewhere 1/σ is then 0 and x̂ is "
      + "0, and NaN where the infinity is")
  /// The first axis that statistics are taken over.
  public var axis: Int
  /// Groups of the last axis, whose extent they divide.
  public var groups: Int
  /// Added to the variance.
  public var epsilon: Double
  /// Whether the mean is subtracted.
  public var centered: Bool

  public init(axis: Int, groups: Int = 1, epsilon: Double, centered: Bool = true) {
    (self.axis, self.groups, self.epsilon, self.centered) = (axis, groups, epsilon, centered)
  }

  /// Single elements, odd and prime extents, an empty batch, all last axes, groups, channels by themselves.
  fileprivate static let forms: [(shape: [Int], axis: Int, groups: Int)] = [
    ([1, 1], 1, 1), ([5, 7], 1, 1), ([7, 13], 1, 1), ([0, 3], 1, 1), ([3, 5, 2], 1, 1), ([3, 2, 5], 2, 1),
    ([2, 3, 5, 7], 1, 1), ([6], 0, 1), ([4, 6], 0, 3), ([3, 8], 1, 2), ([2, 5, 3, 6], 1, 3), ([2, 3, 5, 4], 1, 4),
    ([3, 1, 1, 5], 1, 5), ([0, 2, 2, 4], 1, 2), ([2, 3, 2, 34], 1, 2), ([2, 2, 3, 4], 2, 2),
  ]

  public static var samples: [OperationSample] {
    let ordinary = [true, false].flatMap { centered in
      forms.map { form in
        OperationSample(
          Normalize(axis: form.axis, groups: form.groups, epsilon: 1e-3, centered: centered),
          [.float32(Shape(form.shape))])
      }
    }
    // A mean beside which the deviation is small, of which a difference of sums keeps nothing; equal numbers.
    let special: [([Int], Int, Int, OperationSample.Domain)] = [
      ([3, 67], 1, 1, .range(1000, 1002)), ([2, 7, 5, 6], 1, 3, .range(-513, -512)), ([3, 9], 1, 1, .indices(1)),
    ]
    return ordinary
      + special.map { shape, axis, groups, domain in
        OperationSample(Normalize(axis: axis, groups: groups, epsilon: 1e-3), [.float32(Shape(shape))], [domain])
      }
  }

  /// Lines, positions and channels of every length, within groups and beside them.
  fileprivate static let longForms: [(shape: [Int], axis: Int, groups: Int)] =
    BlockExtents.all.enumerated().map { index, extent in
      [
        ([3, extent], 1, 1), ([2, extent, 3], 1, 3), ([2, 3, extent], 1, 1), ([2, extent, 4], 1, 2),
        ([2, 3, extent], 1, extent), ([extent, 3], 1, 1),
      ][index % 6]
    } + [
      ([2, 65_537], 1, 1), ([1, 257, 257, 2], 1, 1), ([2, 4097, 3], 1, 1), ([2, 513, 6], 1, 2), ([2, 3, 514], 1, 257),
      ([2, 257, 3], 2, 1), ([4097], 0, 1), ([3, 514], 0, 257), (BlockExtents.ofMostAxes, 4, 3),
    ]

  public static var furtherSamples: [OperationSample] {
    let forms = longForms.enumerated().map { index, form in
      OperationSample(
        Normalize(axis: form.axis, groups: form.groups, epsilon: 1e-3, centered: index % 3 != 0),
        [.float32(Shape(form.shape))]
      ).forNumbers
    }
    // Numbers beyond what half precision holds; a NaN at the end of a long line; a long line far from 0.
    let numbers: [([Int], Int, Int, OperationSample.Domain)] = [
      ([3, 513], 1, 1, .range(-3e5, 3e5)), ([2, 33, 6], 1, 3, .range(1e5, 3e5)), ([3, 513], 1, 1, .range(-1e-8, 1e-8)),
      ([3, 4097], 1, 1, .lastIsNaN(-1, 2)), ([2, 257, 6], 1, 2, .lastIsNaN(-1, 2)),
      ([2, 65_537], 1, 1, .range(300, 301)), ([2, 4097, 2], 1, 2, .range(300, 301)),
      ([2, 7, 5, 6], 1, 3, .range(-5001, -5000)),
    ]
    return forms
      + numbers.flatMap { shape, axis, groups, domain in
        [true, false].map { centered in
          OperationSample(
            Normalize(axis: axis, groups: groups, epsilon: 1e-3, centered: centered), [.float32(Shape(shape))],
            [domain]
          ).forNumbers
        }
      }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    guard let channels = growth.x.shape.extents.last, growth.x.shape.elementCount > 0 else { return nil }
    let groups = growth.pick((1...channels).filter { channels % $0 == 0 })
    // An epsilon that lets nothing grow: small deviations would be roundings of what was drawn before.
    let operation = Normalize(
      axis: growth.next(growth.x.shape.rank), groups: groups, epsilon: 0.25, centered: growth.next(3) > 0)
    return try growth.bounded(growth.builder.append(operation, growth.x))
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    try expectFloatingPoint(inputs)
    guard epsilon.isFinite, epsilon >= 0 else { throw ProgramError("epsilon must not be \(epsilon)") }
    let form = try NormalizationForm(inputs[0], axis: axis, groups: groups)
    return [inputs[0], inputs[0].with(shape: form.statistics)]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    guard call.upstream[1] == nil, let dy = call.upstream[0] else {
      return .stops(reason: "1/σ is for the gradient of x̂ and has none of its own")
    }
    let backward = NormalizeBackward(axis: axis, groups: groups, centered: centered)
    return .flows([try builder.append(backward, call.outputs[0], call.outputs[1], dy)])
  }

  /// The mean is taken twice, the second time of what is left: a mean that Float32 rounds is off by more than a small
  /// deviation.
  public func decomposition(
    of operands: [Value], in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Decomposition {
    let x = operands[0]
    let form = try NormalizationForm(x.type, axis: axis, groups: groups)
    var left = try builder.append(Reshape(shape: form.view), x)
    for _ in 0..<(centered ? 2 : 0) {
      let mean = try builder.append(Reduce(.mean, axes: form.folded, keepDimensions: true), left)
      left = try builder.append(Binary(.subtract), left, mean)
    }
    let squares = try builder.append(Reduce(.sumSquares, axes: form.folded, keepDimensions: true), left)
    let share = try builder.scalar(1 / Double(form.count), x.type.elementType)
    let variance = try builder.append(Binary(.multiply), squares, share)
    let kept = try builder.append(Binary(.add), variance, builder.scalar(epsilon, x.type.elementType))
    let inverse = try builder.append(Unary(.rsqrt), kept)
    let normalized = try builder.append(Binary(.multiply), left, inverse)
    return .results([
      try builder.append(Reshape(shape: x.shape.extents), normalized),
      try builder.append(Reshape(shape: form.statistics.extents), inverse),
    ])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, (try? outputTypes(for: inputs)) ?? [], flopsPerElement: centered ? 7 : 4)
  }

  public func errorBound(for inputs: [TensorType]) -> ErrorBound {
    .accumulation(terms: 16 + ((try? NormalizationForm(inputs[0], axis: axis, groups: groups))?.count ?? 1))
  }
}

/// dx of `Normalize` from its results: dx = 1/σ·((dx̂ − mean(dx̂)) − x̂·mean(dx̂·x̂)), the means as there; epsilon is in 1/σ.
/// (The derivation is that of Ioffe and Szegedy, 2015, section 3, with the sums over a group.)
public struct NormalizeBackward: CompositeOperation {
  public static let name = "normalize/backward"
  public static let law =
    "dx = 1/σ·((dx̂ − mean(dx̂)) − x̂·mean(dx̂·x̂)), the means over each sample's group as in normalize; the first is 0 "
    + "unless centered; operands: x̂, 1/σ (the results of normalize), dx̂"
  public static let specialValues = SpecialValueLaw(
    .kinks, nan: "a NaN of an operand makes its group NaN; what becomes of an infinite 1/σ is a rounding's to say")
  public var axis: Int
  public var groups: Int
  public var centered: Bool

  public init(axis: Int, groups: Int = 1, centered: Bool = true) {
    (self.axis, self.groups, self.centered) = (axis, groups, centered)
  }

  private static func sample(
    _ form: (shape: [Int], axis: Int, groups: Int), _ centered: Bool
  ) -> OperationSample {
    let type = TensorType.float32(Shape(form.shape))
    return OperationSample(
      NormalizeBackward(axis: form.axis, groups: form.groups, centered: centered),
      [type, .float32(Shape(form.shape[..<form.axis] + [form.groups])), type],
      [.range(-2, 2), .range(0.5, 2), .range(-2, 2)])
  }

  public static var samples: [OperationSample] {
    [true, false].flatMap { centered in Normalize.forms.map { sample($0, centered) } }
  }

  public static var furtherSamples: [OperationSample] {
    Normalize.longForms.enumerated().map { sample($1, $0 % 3 != 0).forNumbers }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(
    reason: "it stands behind normalize: training steps have it")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 3)
    try expectFloatingPoint(inputs)
    try expectSame(inputs[0], inputs[2])
    let form = try NormalizationForm(inputs[0], axis: axis, groups: groups)
    try expectSame(inputs[1], inputs[0].with(shape: form.statistics))
    return [inputs[0]]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "second derivatives of normalizations are not built")
  }

  public func decomposition(
    of operands: [Value], in builder: inout ProgramBuilder
  ) throws(ProgramError) -> Decomposition {
    let form = try NormalizationForm(operands[0].type, axis: axis, groups: groups)
    let normalized = try builder.append(Reshape(shape: form.view), operands[0])
    let inverse = try builder.append(Reshape(shape: form.keptView), operands[1])
    let upstream = try builder.append(Reshape(shape: form.view), operands[2])
    var left = upstream
    if centered {
      let mean = try builder.append(Reduce(.mean, axes: form.folded, keepDimensions: true), upstream)
      left = try builder.append(Binary(.subtract), upstream, mean)
    }
    let products = try builder.append(Binary(.multiply), upstream, normalized)
    let slope = try builder.append(Reduce(.mean, axes: form.folded, keepDimensions: true), products)
    left = try builder.append(Binary(.subtract), left, builder.append(Binary(.multiply), normalized, slope))
    let gradient = try builder.append(Binary(.multiply), left, inverse)
    return .results([try builder.append(Reshape(shape: operands[0].shape.extents), gradient)])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, [inputs[0]], flopsPerElement: centered ? 7 : 5)
  }

  public func errorBound(for inputs: [TensorType]) -> ErrorBound {
    .accumulation(terms: 64 + 16 * ((try? NormalizationForm(inputs[0], axis: axis, groups: groups))?.count ?? 1))
  }
}

/// How a normalization sees its operand: [samples, positions, groups, width].
public struct NormalizationForm: Hashable, Sendable {
  public let samples: Int
  public let positions: Int
  public let groups: Int
  /// Channels of a group.
  public let width: Int
  /// The shape of 1/σ.
  public let statistics: Shape

  public init(_ type: TensorType, axis: Int, groups: Int) throws(ProgramError) {
    let extents = type.shape.extents
    guard extents.indices.contains(axis), let channels = extents.last else {
      throw ProgramError("\(type) has no axis \(axis)")
    }
    guard groups > 0, channels % groups == 0 else {
      throw ProgramError("\(groups) groups do not divide the \(channels) channels of \(type)")
    }
    samples = extents[..<axis].reduce(1, *)
    positions = extents[axis..<(extents.count - 1)].reduce(1, *)
    (self.groups, width) = (groups, channels / groups)
    statistics = Shape(extents[..<axis] + [groups])
    guard count > 0 else { throw ProgramError("the statistics over no element of \(type)") }
  }

  public var channels: Int { groups * width }
  /// How many numbers the statistics of a group are of.
  public var count: Int { positions * width }

  /// The operand as a decomposition sees it, and the axes of that which are folded.
  var view: [Int] { groups == 1 ? [samples, count] : [samples, positions, groups, width] }
  var folded: [Int] { groups == 1 ? [1] : [1, 3] }
  /// 1/σ beside it.
  var keptView: [Int] { groups == 1 ? [samples, 1] : [samples, 1, groups, 1] }
}

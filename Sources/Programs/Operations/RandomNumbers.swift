/// The distributions that `RandomNumbers` draws from.
public enum RandomDistribution: String, StringAttribute, CaseIterable {
  /// [0, 1), in steps of 2⁻²⁴.
  case uniform
  /// Mean 0, variance 1, by the method of Box and Muller (1958).
  case normal
}

/// Random numbers as a pure function of a key (seed, step) and a stream: the same on every backend, and again on a
/// resumed run.
///
/// Element `e` takes word `e mod 4` of Philox 4x32-10 with key = seed and counter = (e / 4, stream, step); `uniform`
/// is its 24 high bits · 2⁻²⁴. `normal` takes words in pairs (u, v): √(−2 ln(u + 2⁻²⁴)) times cos 2πv, then sin 2πv.
public struct RandomNumbers: ElementTypedOperation {
  public static let name = "random"
  public static let law =
    "y[e] = distribution(Philox4x32-10(key: seed, counter: (e/4, stream, step))[e mod 4]); operand: i64[2], seed and step"
  public static let specialValues = SpecialValueLaw.unasked
  public var distribution: RandomDistribution
  public var shape: [Int]
  public var elementType: ElementType
  /// Numbers that must differ in one step take different streams.
  public var stream: Int

  public init(
    _ distribution: RandomDistribution, shape: [Int], stream: Int, elementType: ElementType = .float32
  ) {
    self.distribution = distribution
    self.shape = shape
    self.stream = stream
    self.elementType = elementType
  }

  public func with(elementType: ElementType) -> RandomNumbers {
    RandomNumbers(distribution, shape: shape, stream: stream, elementType: elementType)
  }

  public static var samples: [OperationSample] {
    RandomDistribution.allCases.flatMap { distribution in
      [[1], [7], [5, 13], [0]].map {
        OperationSample(
          RandomNumbers(distribution, shape: $0, stream: 3), [TensorType(.int64, [2])], [.indices(1000)])
      }
    }
  }

  /// Vectors of many blocks of words, with rests of one to three.
  public static var furtherSamples: [OperationSample] {
    RandomDistribution.allCases.flatMap { distribution in
      [[257], [4097], [65_537], [3, 513], [257, 3, 5], [2, 257, 3]].map {
        OperationSample(
          RandomNumbers(distribution, shape: $0, stream: 5), [TensorType(.int64, [2])], [.indices(1000)]
        ).forNumbers
      }
    }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.drawn { growth throws(ProgramError) in
    let numbers = try growth.builder.append(
      RandomNumbers(.uniform, shape: growth.x.shape.extents, stream: growth.step), growth.key)
    growth.keepExact(numbers)
    return numbers
  }

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    guard inputs[0] == TensorType(.int64, [2]) else {
      throw ProgramError("the key is \(inputs[0]), not i64[2] (seed, step)")
    }
    return [TensorType(elementType, Shape(shape))]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "a random number has no derivative")
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, (try? outputTypes(for: inputs)) ?? [], flopsPerElement: 10)
  }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { distribution == .uniform ? .exact : .ulps(32) }
}

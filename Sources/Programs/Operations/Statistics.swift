/// What a tensor's elements look like, in one pass: what probes read instead of the tensor.
///
/// The result is `f64[10]` in the order of `Statistics.Field`, followed, with `histogram`, by 64 counts of binary
/// exponents: bin i counts the finite non-zero elements with ⌊log₂|x|⌋ = i − 40, clamped to the first and last bin.
/// Mean, M2 (the sum of squared deviations; Welford 1962), min, max, absMax and l2 are over the finite elements and
/// accumulate in Float64, since squares below 1e-38 vanish in Float32. Of no finite element they are 0.
public struct Statistics: TensorOperation {
  public static let name = "statistics"
  public static let law = "y = count, mean, M2, min, max, absMax, l2, zeros, nans, infinities [, 64 exponent bins] of x"
  public static let specialValues = SpecialValueLaw(
    .sums, nan: "NaN and infinities are counted; all but count, nans and infinities is over the finite elements")

  /// The position of each number in the result.
  public enum Field: Int, CaseIterable, Sendable {
    case count, mean, m2, min, max, absMax, l2, zeros, nans, infinities
  }

  public static let histogramBins = 64
  /// ⌊log₂|x|⌋ of the first bin.
  public static let firstExponent = -40

  public var histogram: Bool

  public init(histogram: Bool = false) { self.histogram = histogram }

  public static var samples: [OperationSample] {
    [[1], [7], [3, 5, 7], [0], [64, 33]].flatMap { extents in
      [false, true].map { OperationSample(Statistics(histogram: $0), [.float32(Shape(extents))]) }
    } + [OperationSample(Statistics(histogram: true), [.float32([5, 9])], [.indices(3)])]  // with zeros
  }

  /// Vectors of many blocks, and numbers beyond what half precision holds.
  public static var furtherSamples: [OperationSample] {
    let numbers: [([Int], OperationSample.Domain)] = [
      ([257], .range(-2, 2)), ([4097], .rising(-2, 2)), ([65_537], .range(-2, 2)), ([3, 513, 2], .range(-2, 2)),
      ([513, 3], .range(-2, 2)), ([2, 257], .range(-3e5, 3e5)), ([513], .range(-1e-8, 1e-8)), ([4097], .indices(3)),
    ]
    return numbers.flatMap { extents, domain in
      [false, true].map {
        OperationSample(Statistics(histogram: $0), [.float32(Shape(extents))], [domain]).forNumbers
      }
    }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "it looks at what was drawn")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    try expectFloatingPoint(inputs)
    return [TensorType(.float64, [Field.allCases.count + (histogram ? Self.histogramBins : 0)])]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "a probe is read, not trained")
  }

  public func cost(for inputs: [TensorType]) -> Cost { .elementwise(inputs, [], flopsPerElement: 1) }
  // Float32 operands summed in Float64: what is left is the rounding of the sums' order.
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .accumulation(terms: inputs[0].shape.elementCount) }
}

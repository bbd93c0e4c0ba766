/// Extents and attributes that each cell's samples have.
struct RecurrentCase {
  var samples: Int
  var steps: Int
  var units: Int
  /// The mask's numbers; nil: there is none.
  var mask: OperationSample.Domain?
  var isReversed = false
  var isScaled = false
  var activation = UnaryFunction.tanh
  var recurrentActivation = UnaryFunction.sigmoid

  init(
    _ samples: Int, _ steps: Int, _ units: Int, mask: OperationSample.Domain? = nil, isReversed: Bool = false,
    isScaled: Bool = false, _ activation: UnaryFunction = .tanh, _ recurrentActivation: UnaryFunction = .sigmoid
  ) {
    (self.samples, self.steps, self.units, self.mask) = (samples, steps, units, mask)
    (self.isReversed, self.isScaled) = (isReversed, isScaled)
    (self.activation, self.recurrentActivation) = (activation, recurrentActivation)
  }

  /// One step, one unit, no sample, primes, masks with holes, nothing but masked steps, each activation.
  static let small: [RecurrentCase] = [
    .init(1, 1, 1), .init(2, 3, 5), .init(0, 3, 2), .init(3, 2, 7, isReversed: true), .init(5, 1, 3, .relu),
    .init(3, 5, 2, mask: .indices(2)), .init(2, 7, 3, mask: .indices(2), isReversed: true),
    .init(2, 4, 3, mask: .indices(1)), .init(1, 5, 1, mask: .indices(2), .relu, .hardSigmoid),
    .init(2, 3, 4, isScaled: true, .identity, .hardSigmoid),
    .init(3, 4, 2, mask: .indices(2), isReversed: true, isScaled: true, .relu, .sigmoid),
    .init(2, 3, 3, .softplus, .identity), .init(2, 3, 3, isReversed: true, .selu, .relu),
    .init(3, 2, 4, .sigmoid, .tanh), .init(2, 4, 3, .hardSigmoid, .softplus),
  ]

  /// Units, samples and steps around the blocks of kernels, and long sequences.
  static let long: [RecurrentCase] =
    [7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 513].enumerated().map { index, units in
      .init(
        units > 256 ? 1 : 3, units > 256 ? 2 : 3, units, mask: index % 3 == 1 ? .indices(2) : nil,
        isReversed: index % 2 == 1,
        isScaled: index % 7 == 3)
    }
    + BlockExtents.all.filter { $0 <= 513 }.enumerated().map { index, samples in
      .init(samples, 3, index % 2 == 0 ? 5 : 8, mask: index % 3 == 0 ? .indices(2) : nil, isReversed: index % 2 == 0)
    }
    + [16, 17, 63, 64, 65, 127, 128, 129, 257].enumerated().map { index, steps in
      .init(2, steps, index % 2 == 0 ? 5 : 9, mask: index % 2 == 1 ? .indices(2) : nil, isReversed: index % 3 == 1)
    }
    + [
      .init(2, 2, 257, mask: .indices(2), isScaled: true), .init(257, 2, 5, isScaled: true),
      .init(257, 2, 3, mask: .indices(2), isScaled: true), .init(2, 257, 2, mask: .indices(2), isScaled: true),
      .init(64, 28, 16), .init(4, 100, 32), .init(1, 1000, 3), .init(17, 9, 31, mask: .indices(2)),
      .init(4097, 2, 1, mask: .indices(2)), .init(3, 13, 33, .relu, .hardSigmoid),
      .init(3, 13, 17, .identity, .sigmoid),
    ]

  /// Weights with which a rounding dies out over the steps.
  var kernel: OperationSample.Domain {
    let largest = 1 / Double(units).squareRoot()
    return .range(-largest, largest)
  }

  static let scale = OperationSample.Domain.range(0, 1.5)
  static let gradient = OperationSample.Domain.range(-2, 2)
  static let states = OperationSample.Domain.range(-1, 1)

  /// Numbers that `function` may give.
  static func results(of function: UnaryFunction) -> OperationSample.Domain {
    switch function {
    case .tanh: .range(-0.95, 0.95)
    case .sigmoid, .hardSigmoid: .range(0.05, 0.95)
    case .softplus: .range(0.1, 2)
    default: .range(-1, 1.5)
    }
  }

  /// The sample of an operation with these operands of its own; mask and scale follow.
  func sample(
    _ operation: some RecurrentOperation, _ operands: [(shape: [Int], domain: OperationSample.Domain)]
  ) -> OperationSample {
    var types = operands.map { TensorType.float32(Shape($0.shape)) }
    var domains = operands.map(\.domain)
    if let mask {
      types.append(TensorType(.bool, [samples, steps]))
      domains.append(mask)
    }
    if isScaled {
      types.append(.float32([samples, units]))
      domains.append(Self.scale)
    }
    return OperationSample(operation, types, domains)
  }
}

extension RecurrentOperation {
  /// The kinks of the activations, and numbers far beyond them in the first operand.
  static func recurrentQuestions(on sample: OperationSample, isWide: Bool) -> [SampleQuestion] {
    guard let operation = sample.operation as? Self else { return [] }
    let kinks = Set(operation.activations.flatMap(\.row.kinks)).sorted()
    let wide = isWide ? [SampleQuestion.wide([.range(-12, 12)] + sample.domains.dropFirst())] : []
    return (kinks.isEmpty ? [] : [.kinks(kinks)]) + wide
  }
}

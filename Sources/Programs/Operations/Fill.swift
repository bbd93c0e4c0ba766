/// A tensor filled with one value.
public struct Fill: ElementTypedOperation {
  public static let name = "fill"
  public static let law = "y = value everywhere"
  public static let specialValues = SpecialValueLaw.unasked
  public var value: Double
  public var shape: [Int]
  public var elementType: ElementType

  public init(value: Double, shape: [Int], elementType: ElementType) {
    self.value = value
    self.shape = shape
    self.elementType = elementType
  }

  public func with(elementType: ElementType) -> Fill { Fill(value: value, shape: shape, elementType: elementType) }

  public static var samples: [OperationSample] {
    [[], [1], [3, 5], [0, 2]].map { OperationSample(Fill(value: 1.5, shape: $0, elementType: .float32), []) }
  }

  public static var furtherSamples: [OperationSample] {
    [[257], [4097], [65_537], [3, 513], [257, 2, 3], [2, 257, 3]].map {
      OperationSample(Fill(value: -2.5, shape: $0, elementType: .float32), []).forNumbers
    }
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(reason: "constants have no operand to wait for")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 0)
    try expectNumber(value, elementType)
    return [TensorType(elementType, Shape(shape))]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    .stops(reason: "it has no inputs")
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    Cost(flops: 0, bytes: shape.reduce(elementType.byteCount, *))
  }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

/// The same values in another element type; floats round to nearest even, and to integers towards zero.
public struct Cast: ElementTypedOperation {
  public static let name = "cast"
  public static let law = "y = x as another element type"
  public static let specialValues = SpecialValueLaw(
    .everywhere,
    nan: "to a whole number NaN is 0, and what does not fit the nearest end; to bool NaN is true, as all but 0 is")
  public var to: ElementType

  public init(to: ElementType) { self.to = to }

  public var elementType: ElementType { to }
  public func with(elementType: ElementType) -> Cast { Cast(to: elementType) }

  public static var samples: [OperationSample] {
    [
      OperationSample(Cast(to: .int32), [.float32([7])], [.range(-9, 9)]),
      OperationSample(Cast(to: .float32), [.int32([3, 5])], [.indices(100)]),
      OperationSample(Cast(to: .float32), [TensorType(.bool, [2, 0, 3])], [.indices(2)]),
      OperationSample(Cast(to: .float32), [TensorType(.uint8, [4, 3])], [.indices(256)]),
      OperationSample(Cast(to: .float32), [TensorType(.bool, [5])], [.indices(2)]),
    ]
  }

  private static let types: [ElementType] = [.float32, .int32, .int64, .uint8, .bool]

  public static var furtherSamples: [OperationSample] {
    [OperationSample(Cast(to: .bool), [.float32([37])], [.indices(2)])]
      // From every type to every other.
      + types.flatMap { from in
        types.filter { $0 != from }.map { to in
          OperationSample(Cast(to: to), [TensorType(from, [19])], [.indices(from == .bool ? 2 : 5)]).forNumbers
        }
      }
      + [
        OperationSample(Cast(to: .int32), [.float32([4097])], [.range(-3e5, 3e5)]),
        OperationSample(Cast(to: .float32), [.int32([65_537])], [.indices(100_000)]),
        OperationSample(Cast(to: .float32), [TensorType(.uint8, [3, 513])], [.indices(256)]),
        OperationSample(Cast(to: .float32), [TensorType(.bool, [513, 3])], [.indices(2)]),
        OperationSample(Cast(to: .int32), [.float32([257, 2, 3])], [.range(-9, 9)]),
        OperationSample(Cast(to: .float32), [TensorType(.uint8, [2, 257, 3])], [.indices(256)]),
      ].map(\.forNumbers)
  }

  public static func questions(on sample: OperationSample) -> [SampleQuestion] { [] }
  public static let randomProgramPart = RandomProgramPart.absent(
    reason: "numbers of other types have few readers there")

  public func outputTypes(for inputs: [TensorType]) throws(ProgramError) -> [TensorType] {
    try expect(inputs, count: 1)
    return [inputs[0].with(elementType: to)]
  }

  public func gradient(of call: GradientContext, in builder: inout ProgramBuilder) throws(ProgramError) -> Gradient {
    guard to.isFloatingPoint, call.inputs[0].type.elementType.isFloatingPoint else {
      return .stops(reason: "whole numbers have no derivative")
    }
    return .flows([try builder.append(Cast(to: call.inputs[0].type.elementType), call.upstream[0]!)])
  }

  public func cost(for inputs: [TensorType]) -> Cost {
    .elementwise(inputs, inputs.map { $0.with(elementType: to) }, flopsPerElement: 0)
  }
  public func errorBound(for inputs: [TensorType]) -> ErrorBound { .exact }
}

public import SwitchbackExecution
public import SwitchbackPrograms

/// Runs a program once on given numbers: what checks and tests need.
public struct ProgramEvaluation {
  /// The program's outputs by name, as Float64.
  public let outputs: [String: [Double]]
  public let plan: ExecutionPlan

  /// `values` gives inputs, step values and states by name. `isRepeated`: the program has run before on the same numbers
  /// in reverse, so that whatever a backend kept of them is out of date.
  public init(
    _ program: Program, _ values: [String: [Double]], on chain: BackendChain, isRepeated: Bool = false
  ) throws {
    let states = StateStore()
    let executor = try ProgramExecutor(program, on: chain, states: states)
    if isRepeated {
      try executor.fill(values.mapValues { $0.reversed() })
      try executor.run()
    }
    try executor.fill(values)
    try executor.run()
    outputs = try executor.outputs()
    plan = executor.plan
  }

  static func store(_ numbers: [Double], _ type: ElementType, _ bytes: UnsafeMutableRawBufferPointer) {
    switch type {
    case .float64:
      for (e, number) in numbers.enumerated() { bytes.storeBytes(of: number, toByteOffset: 8 * e, as: Double.self) }
    case .int32:
      for (e, number) in numbers.enumerated() {
        bytes.storeBytes(of: Int32(number), toByteOffset: 4 * e, as: Int32.self)
      }
    case .int64:
      for (e, number) in numbers.enumerated() {
        bytes.storeBytes(of: Int64(number), toByteOffset: 8 * e, as: Int64.self)
      }
    case .uint8, .bool: for (e, number) in numbers.enumerated() { bytes[e] = UInt8(number) }
    default:
      for (e, number) in numbers.enumerated() {
        bytes.storeBytes(of: Float(number), toByteOffset: 4 * e, as: Float.self)
      }
    }
  }

  /// The elements of a tensor as Float64.
  package static func load(_ bytes: UnsafeRawBufferPointer, _ type: TensorType) -> [Double] {
    (0..<type.shape.elementCount).map { number(bytes, type.elementType, $0) }
  }

  /// One element.
  static func number(_ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ e: Int) -> Double {
    switch type {
    case .float64: bytes.load(fromByteOffset: 8 * e, as: Double.self)
    case .int32: Double(bytes.load(fromByteOffset: 4 * e, as: Int32.self))
    case .int64: Double(bytes.load(fromByteOffset: 8 * e, as: Int64.self))
    case .uint8, .bool: Double(bytes[e])
    default: Double(bytes.load(fromByteOffset: 4 * e, as: Float.self))
    }
  }
}

import SwitchbackBackendKit
public import SwitchbackExecution
public import SwitchbackPrograms

/// Zeros of both signs, denormals, infinities and NaN, where an operation's meaning defines what comes of them.
public struct SpecialValues: Sendable {
  public let fault: String?
  public let replay: ReplayFile?
  /// False where the meaning of this operation's operands leaves nothing to ask.
  public let wasAsked: Bool

  /// What a sum may be fed with: no numbers whose partial sums overflow in one order and not in another.
  private static let ordinary: [Double] = [
    0, -0.0, 1, -1, 0x1p-140, -0x1p-140, .infinity, 2, .nan, 0.5, -.infinity, -3,
  ]
  private static let extreme: [Double] = ordinary + [Double(Float.greatestFiniteMagnitude), -0x1p-149, 88, -104]

  /// The operations whose results are defined element by element for all of these.
  private static let elementwise: Set<String> = ["unary", "binary", "select", "cast"]
  private static let asked: Set<String> = [
    "reduce", "matmul", "reshape", "transpose", "broadcast", "slice", "concatenate", "pad", "gather", "allFinite",
    "maxPool2d", "maxPool2d/backward", ArgMax.name, "statistics",
  ]

  public init(_ sample: OperationSample, on candidate: BackendChain, reference: BackendChain) throws {
    let name = sample.operation.name
    guard Self.elementwise.contains(name) || Self.asked.contains(name) else {
      (fault, replay, wasAsked) = (nil, nil, false)
      return
    }
    let program = try sample.program()
    guard try candidate.links[0].device.query(Segment(program))[0].isAccepted else {
      (fault, replay, wasAsked) = (nil, nil, false)
      return
    }
    let pattern = Self.elementwise.contains(name) ? Self.extreme : Self.ordinary
    var operands = SampleValues(sample).operands
    for (index, type) in sample.inputs.enumerated() where type.elementType.isFloatingPoint {
      // Operands of different strides meet every pair sooner or later.
      for e in operands[index].indices {
        operands[index][e] = pattern[(e * (index + 1) + e / 7 * index) % pattern.count]
      }
    }
    let values = Dictionary(uniqueKeysWithValues: operands.enumerated().map { ("x\($0)", $1) })
    let found = try ProgramEvaluation(program, values, on: candidate).outputs
    let expected = try ProgramEvaluation(program, values, on: reference).outputs
    var fault: String?
    for output in program.outputs {
      for (e, pair) in zip(found[output.name]!, expected[output.name]!).enumerated() where !Self.agree(pair.0, pair.1) {
        let place = WorstElement.place(of: e, in: program.values[output.value].type.shape)
        fault = fault ?? "\(output.name)\(place) is \(pair.0), not \(pair.1)"
      }
    }
    (self.fault, replay, wasAsked) = (fault, fault.map { _ in ReplayFile(program, values) }, true)
  }

  /// The same kind of number; where finite close; denormal results may be flushed.
  private static func agree(_ found: Double, _ expected: Double) -> Bool {
    if expected.isNaN { return found.isNaN }
    if expected.isInfinite { return found == expected }
    return found.isFinite && abs(found - expected) <= max(1e-4 * abs(expected), 0x1p-126)
  }
}

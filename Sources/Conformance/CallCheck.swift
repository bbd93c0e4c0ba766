import SwitchbackBackendKit
import SwitchbackExecution
public import SwitchbackPrograms

/// One operation of a program, run by itself on given numbers.
struct CallCheck {
  let call: Program.Call
  let sample: OperationSample
  let program: Program

  init(_ call: Program.Call, of whole: Program) throws(ProgramError) {
    try self.init(call, on: call.inputs.map { whole.values[$0].type })
  }

  /// The call on operands of other types.
  init(_ call: Program.Call, on types: [TensorType]) throws(ProgramError) {
    self.call = call
    sample = OperationSample(call.operation, types)
    var program = try sample.program()
    // What is said of a crash has the layer.
    program.calls[0].path = call.path
    self.program = program
  }

  /// By itself, of no program.
  init(_ operation: any TensorOperation, _ types: [TensorType]) throws(ProgramError) {
    sample = OperationSample(operation, types)
    program = try sample.program()
    call = program.calls[0]
  }

  var bound: ErrorBound { call.operation.errorBound(for: sample.inputs) }

  /// The results in order; `isRepeated`: of an executable that had other operands before.
  func results(_ inputs: [[Double]], on chain: BackendChain, isRepeated: Bool = false) throws -> [[Double]] {
    let outputs = try ProgramEvaluation(program, named(inputs), on: chain, isRepeated: isRepeated).outputs
    return program.outputs.map { outputs[$0.name] ?? [] }
  }

  /// The same in Float64, where the operation has floating-point operands.
  func truth(_ inputs: [[Double]], on reference: BackendChain) throws -> [[Double]] {
    let converted = try program.converted(to: .float64)
    let outputs = try ProgramEvaluation(converted, named(inputs), on: reference).outputs
    return converted.outputs.map { outputs[$0.name] ?? [] }
  }

  func named(_ inputs: [[Double]]) -> [String: [Double]] {
    Dictionary(uniqueKeysWithValues: inputs.enumerated().map { ("x\($0)", $1) })
  }

  /// In units of the bound, the largest over the results.
  func error(_ found: [[Double]], _ expected: [[Double]], _ inputs: [[Double]]) -> Double {
    let numbers = zip(inputs, sample.inputs).filter { $1.elementType.isFloatingPoint }.map { $0.0 }
    return zip(found, expected).reduce(0) { max($0, BackendComparison.error($1.0, $1.1, bound, numbers)) }
  }
}

/// A result that is further from what it should be than its operation's bound.
public struct CallFault: Sendable, CustomStringConvertible {
  /// Which form of the operation is wrong.
  public enum Form: String, Sendable {
    /// The operation by itself.
    case operation
    /// Only when it is run again after other operands.
    case repeated
    /// Only as a part of a segment: alone it is right.
    case fused
  }

  public var form: Form
  public var backend: String
  /// `layers.2.conv2d/backwardFilter`
  public var label: String
  /// The operation's name, its operands' types.
  public var operation: String
  public var types: [TensorType]
  /// `strides [2, 2], groups 1`; empty where it has none.
  public var attributes: String
  /// In units of the operation's bound.
  public var error: Double
  /// Of the worst element: which result, where, what was found and what was expected.
  public var result: Int
  public var element: Int
  public var found: Double
  public var expected: Double
  public var replay: ReplayFile

  init(
    _ form: Form, _ backend: String, _ check: CallCheck, error: Double, _ found: [[Double]], _ expected: [[Double]],
    _ inputs: [[Double]]
  ) {
    (self.form, self.backend, self.error) = (form, backend, error)
    (label, operation, types) = (check.call.label, check.call.operation.name, check.sample.inputs)
    attributes = check.sample.attributeWords.joined(separator: ", ")
    replay = ReplayFile(check.program, check.named(inputs))
    (result, element, self.found, self.expected) = (0, 0, .nan, .nan)
    var largest = -1.0
    for (index, pair) in zip(found, expected).enumerated() {
      guard let worst = WorstElement(pair.0, pair.1), worst.difference > largest else { continue }
      (largest, result, element, self.found, self.expected) =
        (worst.difference, index, worst.element, worst.found, worst.expected)
    }
  }

  public var description: String {
    let how =
      switch form {
      case .operation: "is wrong"
      case .repeated: "is wrong only when its operands have changed since an earlier run"
      case .fused: "is wrong only inside its segment"
      }
    return "\(label) \(how) on \(backend): element \(element) of result \(result) is \(found), not \(expected) "
      + "(\(error.inBounds); operands \(types.map(\.description).joined(separator: ", "))"
      + "\(attributes.isEmpty ? "" : "; " + attributes))"
  }
}

extension OperationSample {
  /// `strides [2, 2]`, `groups 1`
  var attributeWords: [String] { operation.attributes.map { "\($0.name) \($0.value)" } }
}

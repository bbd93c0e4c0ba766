/// Appends calls to a program and infers their types.
///
/// Layers, losses and optimizers are written against it. `path` names the layer that is being traced; every call
/// carries it.
public struct ProgramBuilder: Sendable {
  package var program: Program
  /// The path that new calls carry.
  public var path: String = ""

  public init(name: String) { program = Program(name: name, values: [], calls: [], outputs: []) }

  public func type(of value: Value) -> TensorType { program.values[value.id].type }

  // MARK: Values from outside

  public mutating func input(_ name: String, _ type: TensorType) -> Value { declare(name, type, .input) }
  public mutating func state(_ name: String, _ type: TensorType) -> Value { declare(name, type, .state) }

  /// A value that changes at each run; asking twice for a name gives the same value.
  public mutating func step(_ name: String, _ type: TensorType) -> Value {
    if let id = program.value(named: name), program.values[id].role == .step { return value(id) }
    return declare(name, type, .step)
  }

  private mutating func declare(_ name: String, _ type: TensorType, _ role: Program.Role) -> Value {
    program.values.append(.init(type: type, role: role, name: name))
    return Value(id: program.values.count - 1, type: type)
  }

  package func value(_ id: Int) -> Value { Value(id: id, type: program.values[id].type) }

  // MARK: Calls

  /// Appends a call with one result.
  public mutating func append(_ operation: some TensorOperation, _ inputs: Value...) throws(ProgramError) -> Value {
    try append(operation, inputs)[0]
  }

  /// Appends a call. The results of an `InPlaceOperation` that replace states are those states.
  @discardableResult
  public mutating func append(
    _ operation: any TensorOperation, _ inputs: [Value]
  ) throws(ProgramError) -> [Value] {
    let states = ((operation as? any InPlaceOperation)?.updatedOperands ?? []).map { inputs[$0] }
    let types: [TensorType]
    do {
      types = try operation.outputTypes(for: inputs.map(\.type))
    } catch {
      throw ProgramError("\(operation.name): \(error.message)", path: path)
    }
    var results: [Value] = []
    for (index, type) in types.enumerated() {
      guard type.shape.isAddressable else {
        throw ProgramError("\(operation.name) would give \(type): no machine holds that", path: path)
      }
      if index < states.count {
        guard program.values[states[index].id].role == .state, states[index].type == type else {
          throw ProgramError(
            "\(operation.name) replaces an operand of type \(states[index].type), which is no state of type \(type)",
            path: path)
        }
        results.append(states[index])
      } else {
        results.append(declare("", type, .temporary))
      }
    }
    program.calls.append(
      Program.Call(operation: operation, inputs: inputs.map(\.id), outputs: results.map(\.id), path: path))
    return results
  }

  /// Names a value as a result of the program.
  public mutating func output(_ name: String, _ value: Value) {
    program.outputs.append(.init(name: name, value: value.id))
  }

  public consuming func build() -> Program { program }
}

package import SwitchbackExecution
import SwitchbackPrograms

extension ProgramExecutor {
  /// Fills inputs, step values and states by name.
  package func fill(_ values: [String: [Double]]) throws {
    for (name, numbers) in values {
      guard let id = program.value(named: name) else { continue }
      let type = program.values[id].type.elementType
      if program.values[id].role == .state {
        try states.withMutableBytes(of: name) { ProgramEvaluation.store(numbers, type, $0) }
      } else if hasInput(name) {
        try withInput(name) { ProgramEvaluation.store(numbers, type, $0) }
      }
    }
  }

  /// An input, output, state or tapped value after a run, as Float64.
  func numbers(of value: Int) throws -> [Double] {
    let type = program.values[value].type
    return try withValue(value) { ProgramEvaluation.load($0, type) }
  }

  /// By name.
  package func outputs() throws -> [String: [Double]] {
    var outputs: [String: [Double]] = [:]
    for output in program.outputs { outputs[output.name] = try numbers(of: output.value) }
    return outputs
  }
}

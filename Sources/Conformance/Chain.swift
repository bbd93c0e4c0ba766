import SwitchbackExecution
import SwitchbackPrograms

/// Neighbours of a program of which a backend may make one kernel: an operation and elementwise ones after it, each the
/// only reader of the result before.
///
/// A segment whose values are all written hides what happens in such a kernel, so these are run by themselves with only
/// the last result written, on the reference's numbers.
struct Chain {
  /// The last one is judged.
  let checks: [CallCheck]
  let program: Program
  /// By the names of the program's inputs and states.
  let values: [String: [Double]]
  /// Of each operation in order: which result of the one before is its operand, by position; −1 for the first.
  private let positions: [Int]
  private let operands: [[[Double]]]

  /// The chain of `count` operations that ends with call `last`; nil where there is none. `current` holds the values'
  /// numbers.
  init?(
    endingAt last: Int, count: Int, of whole: Program, _ checks: [CallCheck], uses: [Int], _ current: [Int: [Double]]
  ) throws {
    guard last - count + 1 >= 0 else { return nil }
    self.checks = Array(checks[last - count + 1...last])
    var builder = ProgramBuilder(name: "chain")
    var values: [String: [Double]] = [:]
    var (positions, operands): ([Int], [[[Double]]]) = ([], [])
    var result: (id: Int, value: Value)?
    // What two of them read stays one value: a backend may make one kernel of them only then.
    var given: [Int: Value] = [:]
    for check in self.checks {
      let call = check.call
      guard call.outputs.count == 1, let output = call.outputs[0], whole.values[output].role == .temporary else {
        return nil
      }
      var position = -1
      if let before = result {
        guard call.operation is any ElementwiseOperation, uses[before.id] == 1,
          let found = call.inputs.firstIndex(of: before.id)
        else { return nil }
        position = found
        given[before.id] = before.value
      }
      let inputs = call.inputs.map { id in
        if let known = given[id] { return known }
        let name = "x\(values.count)"
        let value = builder.input(name, whole.values[id].type)
        (given[id], values[name]) = (value, current[id] ?? [])
        return value
      }
      positions.append(position)
      operands.append(call.inputs.map { current[$0] ?? [] })
      result = (output, try builder.append(call.operation, inputs)[0])
    }
    guard let result else { return nil }
    builder.output("y0", result.value)
    (program, self.values, self.positions, self.operands) = (builder.build(), values, positions, operands)
  }

  /// What the chain gives, the same operation by operation, and the last one's operands there. Two right forms may give
  /// the last one operands that differ in their last digits, so what is found counts as expected wherever it lies among
  /// the results for slightly smaller and larger ones.
  func results(on chain: BackendChain) throws -> (found: [Double], expected: [Double], inputs: [[Double]]) {
    let found = try ProgramEvaluation(program, values, on: chain).outputs["y0"] ?? []
    var inputs = operands[0]
    var expected = try checks[0].results(inputs, on: chain)[0]
    var limits: [[Double]] = []
    for index in 1..<checks.count {
      let before = expected
      let scale = before.lazy.filter(\.isFinite).reduce(0) { max($0, abs($1)) }
      func result(_ shift: Double) throws -> [Double] {
        inputs = operands[index]
        inputs[positions[index]] = before.map { Double(Float($0 + shift * scale)) }
        return try checks[index].results(inputs, on: chain)[0]
      }
      if index == checks.count - 1 { limits = [try result(-1e-5), try result(1e-5)] }
      expected = try result(0)
    }
    let adjusted = found.indices.map { element -> Double in
      let (number, right) = (found[element], expected[element])
      let low = limits.reduce(right) { min($0, $1[element]) }
      let high = limits.reduce(right) { max($0, $1[element]) }
      // Not a number is neither smaller nor larger.
      guard !right.isNaN else { return number }
      return number < low
        ? right + (number - low) : number > high ? right + (number - high) : number.isNaN ? number : right
    }
    return (adjusted, expected, inputs)
  }
}

/// Elementwise: output element i depends only on input elements i.
private protocol ElementwiseOperation {}
extension Unary: ElementwiseOperation {}
extension UnaryBackward: ElementwiseOperation {}
extension Binary: ElementwiseOperation {}

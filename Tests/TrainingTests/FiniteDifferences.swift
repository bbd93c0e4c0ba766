import SwitchbackConformance
import SwitchbackExecution
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// Expects each output `d/NAME` of a program to be the gradient of its output `loss`: central differences in Float64.
/// `operand`: what the input or state is called that NAME stands for.
func expectDifferences(
  of program: Program, _ values: [String: [Double]], operand: (String) -> String = { $0 }, _ words: String
) throws {
  let double = try program.converted(to: .float64)
  let executor = try ProgramExecutor(double, on: chain(ReferenceBackend()), states: StateStore())
  func outputs(_ values: [String: [Double]]) throws -> [String: [Double]] {
    try executor.fill(values)
    try executor.run()
    return try executor.outputs()
  }
  let gradients = try outputs(values).filter { $0.key.hasPrefix("d/") }
  #expect(!gradients.isEmpty, "\(words)")
  for (output, gradient) in gradients {
    let name = operand(String(output.dropFirst(2)))
    var (difference, norm) = (0.0, 0.0)
    for element in gradient.indices {
      func loss(at shift: Double) throws -> Double {
        var moved = values
        moved[name]![element] += shift
        return try #require(outputs(moved)["loss"])[0]
      }
      let slope = (try loss(at: 1e-5) - loss(at: -1e-5)) / 2e-5
      difference += (gradient[element] - slope) * (gradient[element] - slope)
      norm += slope * slope
    }
    #expect(difference.squareRoot() <= 1e-6 * max(norm.squareRoot(), 1e-2), "\(name) of \(words)")
  }
}

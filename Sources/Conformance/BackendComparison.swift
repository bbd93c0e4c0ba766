public import SwitchbackExecution
public import SwitchbackPrograms

/// One sample on a backend in Float32, judged by the reference in Float64 on the same numbers.
public struct BackendComparison: Sendable {
  public enum Verdict: Sendable, Hashable {
    case passed
    case declined(String)
    case failed(String)
  }

  public let verdict: Verdict
  /// The largest error in units of the operation's bound; 1 is the limit.
  public let worst: Double

  /// `reference` runs in Float64; both chains hold one backend.
  public init(_ sample: OperationSample, on chain: BackendChain, reference: BackendChain, seed: Int64 = 1) throws {
    let program = try sample.program()
    if case .decline(let reason) = try chain.links[0].device.query(.init(program))[0] {
      (verdict, worst) = (.declined(reason), 0)
      return
    }
    let operands = SampleValues(sample, seed: seed).operands
    let values = Dictionary(uniqueKeysWithValues: operands.enumerated().map { ("x\($0)", $1) })
    let found = try ProgramEvaluation(program, values, on: chain).outputs
    let truth = try ProgramEvaluation(program.converted(to: .float64), values, on: reference).outputs
    let bound = sample.operation.errorBound(for: sample.inputs)
    // Indices and keys do not round.
    let numbers = zip(operands, sample.inputs).filter { $1.elementType.isFloatingPoint }.map { $0.0 }
    var largest = 0.0
    var fault: String?
    for output in program.outputs {
      let error = Self.error(found[output.name]!, truth[output.name]!, bound, numbers)
      largest = max(largest, error)
      if !(error <= 1) { fault = fault ?? "\(output.name) is \(error) bounds off" }
    }
    worst = largest
    verdict = fault.map { .failed($0) } ?? .passed
  }

  /// The error in units of the bound. Exact operations are judged in Float32: one rounding of the result is theirs.
  package static func error(_ found: [Double], _ truth: [Double], _ bound: ErrorBound, _ operands: [[Double]]) -> Double
  {
    guard found.count == truth.count else { return .infinity }
    var (found, truth) = (found, truth)
    // What is infinite or not a number is right or wrong, and then measures nothing.
    for e in truth.indices where !truth[e].isFinite || !found[e].isFinite {
      let expected = Double(Float(truth[e]))
      guard expected == found[e] || (expected.isNaN && found[e].isNaN) else { return .infinity }
      (found[e], truth[e]) = (0, 0)
    }
    let numbers = operands.lazy.joined().filter(\.isFinite)
    let scale = max(numbers.reduce(0) { max($0, abs($1)) }, truth.reduce(0) { max($0, abs($1)) }, 1e-30)
    switch bound {
    case .exact:
      return zip(found, truth).allSatisfy { $0 == $1 || $0 == Double(Float($1)) || ($0.isNaN && $1.isNaN) }
        ? 0 : .infinity
    case .ulps(let count):
      // Units in the last place of the result, at least of 2⁻²⁴ of the largest operand.
      return zip(found, truth).reduce(0) { worst, pair in
        let unit = max(abs(pair.1), scale * 0x1p-10) * 0x1p-23
        return max(worst, abs(pair.0 - pair.1) / (count * unit))
      }
    case .ulpsOfLargest(let count):
      return zip(found, truth).reduce(0) { max($0, abs($1.0 - $1.1) / (count * scale * 0x1p-23)) }
    case .accumulation:
      let tolerance = bound.relativeTolerance(in: .float32)
      let difference = zip(found, truth).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
      let norm = max(truth.reduce(0) { $0 + $1 * $1 }.squareRoot(), scale * 0x1p-4)
      return difference / (norm * tolerance)
    }
  }
}

import Foundation
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

  /// `reference` runs in Float64; both chains hold one backend. `asksZeros`: a sum whose terms are all zero must be an exact
  /// zero, since behind it a relu would open; rounding of other numbers must not reach it. `isDecomposed`: simpler operations
  /// compute the sample, whose bound is the operation's all the same.
  public init(
    _ sample: OperationSample, on chain: BackendChain, reference: BackendChain, seed: Int64 = 1,
    asksZeros: Bool = false, isDecomposed: Bool = false
  ) throws {
    let whole = try sample.program()
    guard let program = isDecomposed ? try sample.decomposedProgram() : whole else {
      (verdict, worst) = (.declined("it has no decomposition"), 0)
      return
    }
    var factor = 0.0
    for answer in try chain.links[0].device.query(.init(program)) {
      switch answer {
      case .decline(let reason):
        (verdict, worst) = (.declined(reason), 0)
        return
      case .accept(let own, _), .acceptWithPrevious(let own, _): factor = max(factor, own)
      }
    }
    let operands = SampleValues(sample, seed: seed).operands
    let values = Dictionary(uniqueKeysWithValues: operands.enumerated().map { ("x\($0)", $1) })
    let found = try ProgramEvaluation(program, values, on: chain).outputs
    let truth = try ProgramEvaluation(whole.converted(to: .float64), values, on: reference).outputs
    let bound = sample.operation.errorBound(for: sample.inputs)
    // Indices and keys do not round.
    let numbers = zip(operands, sample.inputs).filter { $1.elementType.isFloatingPoint }.map { $0.0 }
    var largest = 0.0
    var fault: String?
    for output in program.outputs {
      let error = Self.error(found[output.name]!, truth[output.name]!, bound, numbers) / factor
      largest = max(largest, error)
      if asksZeros, fault == nil,
        let wrong = zip(found[output.name]!, truth[output.name]!).enumerated().first(where: {
          $0.element.1 == 0 && $0.element.0 != 0
        })
      {
        let place = WorstElement.place(of: wrong.offset, in: program.values[output.value].type.shape)
        fault = "\(output.name)\(place) is \(wrong.element.0), not an exact zero, though only zeros are added up"
      }
      guard !(error <= 1), fault == nil else { continue }
      fault = "\(error.inBounds) off"
      if let worst = WorstElement(found[output.name]!, truth[output.name]!) {
        let place = WorstElement.place(of: worst.element, in: program.values[output.value].type.shape)
        fault = "\(output.name)\(place) is \(worst.found), not \(worst.expected): \(error.inBounds) off"
      }
    }
    worst = largest
    verdict = fault.map { .failed($0) } ?? .passed
  }

  /// The error in units of the bound; see `BoundError`.
  package static func error(_ found: [Double], _ truth: [Double], _ bound: ErrorBound, _ operands: [[Double]]) -> Double
  {
    found.withUnsafeBufferPointer { found in
      truth.withUnsafeBufferPointer { BoundError(bound, operands: operands)(found, $0) }
    }
  }
}

extension Double {
  /// An error in units of its bound, for people.
  var inBounds: String { self < 1e6 ? "\((self * 100).rounded() / 100) bounds" : String(format: "%.3g bounds", self) }
}

import SwitchbackPrograms

/// How far numbers are from the truth, in units of an operation's bound; infinite where a number is wrong outright.
package struct BoundError {
  package let bound: ErrorBound
  /// The largest finite magnitude among the operands.
  package let operandScale: Double
  /// ‖operands‖₂, of their finite numbers.
  package let operandNorm: Double

  package init(_ bound: ErrorBound, operands: [[Double]]) {
    let numbers = operands.lazy.joined().filter(\.isFinite)
    self.bound = bound
    operandScale = numbers.reduce(0) { max($0, abs($1)) }
    operandNorm = numbers.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }

  /// Of a part of an operation, whose whole operands are as large as `scale`.
  init(_ bound: ErrorBound, operands: [[Double]], scale: Double) {
    let part = BoundError(bound, operands: operands)
    (self.bound, operandScale, operandNorm) = (bound, max(scale, part.operandScale), part.operandNorm)
  }

  /// Exact operations are judged in Float32: one rounding of the result is theirs.
  package func callAsFunction(_ found: UnsafeBufferPointer<Double>, _ truth: UnsafeBufferPointer<Double>) -> Double {
    guard found.count == truth.count else { return .infinity }
    var scale = max(operandScale, 1e-30)
    var (squares, norm) = (0.0, 0.0)
    for e in truth.indices {
      let (f, t) = (found[e], truth[e])
      // What is infinite or not a number is right or wrong, and then measures nothing.
      guard f.isFinite, t.isFinite else {
        let expected = Double(Float(t))
        guard expected == f || (expected.isNaN && f.isNaN) else { return .infinity }
        continue
      }
      scale = max(scale, abs(t))
      squares += (f - t) * (f - t)
      norm += t * t
    }
    func worst(_ error: (_ found: Double, _ truth: Double) -> Double) -> Double {
      var worst = 0.0
      for e in truth.indices where found[e].isFinite && truth[e].isFinite {
        worst = max(worst, error(found[e], truth[e]))
      }
      return worst
    }
    switch bound {
    case .exact: return worst { $0 == $1 || $0 == Double(Float($1)) ? 0 : .infinity }
    case .ulps(let count):
      // Units in the last place of the result, at least of 2⁻¹⁰ of the largest operand or result.
      return worst { abs($0 - $1) / (count * max(abs($1), scale * 0x1p-10) * 0x1p-23) }
    case .ulpsOfLargest(let count): return worst { abs($0 - $1) / (count * scale * 0x1p-23) }
    case .accumulation, .sums:
      var size = max(norm.squareRoot(), scale * 0x1p-4)
      if case .sums(_, let share) = bound { size = max(size, share * operandNorm) }
      return squares.squareRoot() / (size * bound.relativeTolerance(in: .float32))
    }
  }
}

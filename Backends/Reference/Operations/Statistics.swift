import SwitchbackBackendKit
import SwitchbackPrograms

extension Statistics: ReferenceKernel {
  public func run(_ operands: ReferenceOperands) throws(BackendError) {
    if operands.inputs[0].type.elementType == .float64 {
      run(operands, Double.self)
    } else {
      run(operands, Float.self)
    }
  }

  private func run<T: ReferenceScalar>(_ operands: ReferenceOperands, _ type: T.Type) {
    guard let result = operands.outputs[0] else { return }
    let (x, count, y) = (operands.inputs[0].elements(type), operands.inputs[0].count, result.elements(Double.self))
    y.update(repeating: 0, count: result.count)
    var (sum, squares, low, high) = (0.0, 0.0, Double.infinity, -Double.infinity)
    var (finite, zeros, nans, infinities) = (0, 0, 0, 0)
    for e in 0..<count {
      let value = Double(x[e])
      guard value.isFinite else {
        if value.isNaN { nans += 1 } else { infinities += 1 }
        continue
      }
      finite += 1
      if value == 0 { zeros += 1 }
      sum += value
      squares += value * value
      low = min(low, value)
      high = max(high, value)
      if histogram, value != 0 {
        let bin = min(max(Int(value.exponent) - Self.firstExponent, 0), Self.histogramBins - 1)
        y[Field.allCases.count + bin] += 1
      }
    }
    let mean = finite == 0 ? 0 : sum / Double(finite)
    var m2 = 0.0
    for e in 0..<count where x[e].isFinite { m2 += (Double(x[e]) - mean) * (Double(x[e]) - mean) }
    func set(_ field: Field, _ value: Double) { y[field.rawValue] = value }
    set(.count, Double(count))
    set(.mean, mean)
    set(.m2, m2)
    set(.min, finite == 0 ? 0 : low)
    set(.max, finite == 0 ? 0 : high)
    set(.absMax, finite == 0 ? 0 : max(abs(low), abs(high)))
    set(.l2, squares.squareRoot())
    set(.zeros, Double(zeros))
    set(.nans, Double(nans))
    set(.infinities, Double(infinities))
  }
}

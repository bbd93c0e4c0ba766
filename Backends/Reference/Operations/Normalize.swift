import SwitchbackBackendKit
import SwitchbackPrograms

extension NormalizationForm {
  /// Calls `body` for each sample's group with its number, and with where each line of it begins.
  @inline(__always)
  fileprivate func forEachGroup(_ body: (_ group: Int, _ lines: StrideTo<Int>) -> Void) {
    for group in 0..<(samples * groups) {
      let first = group / groups * positions * channels + group % groups * width
      body(group, stride(from: first, to: first + positions * channels, by: channels))
    }
  }
}

extension Normalize: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let form = try? NormalizationForm(operands.inputs[0].type, axis: axis, groups: groups) else { return }
    let x = operands.inputs[0].elements(type)
    let (y, inverses) = (operands.outputs[0]?.elements(type), operands.outputs[1]?.elements(type))
    form.forEachGroup { group, lines in
      var mean = 0.0
      if centered {
        for line in lines { for e in line..<line + form.width { mean += Double(x[e]) } }
        mean /= Double(form.count)
      }
      var squares = 0.0
      for line in lines {
        for e in line..<line + form.width { squares += (Double(x[e]) - mean) * (Double(x[e]) - mean) }
      }
      let inverse = 1 / (squares / Double(form.count) + epsilon).squareRoot()
      inverses?[group] = T(inverse)
      guard let y else { return }
      for line in lines { for e in line..<line + form.width { y[e] = T((Double(x[e]) - mean) * inverse) } }
    }
  }
}

extension NormalizeBackward: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0],
      let form = try? NormalizationForm(operands.inputs[0].type, axis: axis, groups: groups)
    else { return }
    let (y, inverses) = (operands.inputs[0].elements(type), operands.inputs[1].elements(type))
    let (dy, dx) = (operands.inputs[2].elements(type), result.elements(type))
    form.forEachGroup { group, lines in
      var (mean, slope) = (0.0, 0.0)
      for line in lines {
        for e in line..<line + form.width {
          if centered { mean += Double(dy[e]) }
          slope += Double(dy[e]) * Double(y[e])
        }
      }
      mean /= Double(form.count)
      slope /= Double(form.count)
      let inverse = Double(inverses[group])
      for line in lines {
        for e in line..<line + form.width {
          dx[e] = T(inverse * ((Double(dy[e]) - mean) - Double(y[e]) * slope))
        }
      }
    }
  }
}

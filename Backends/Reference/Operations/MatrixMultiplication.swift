import SwitchbackBackendKit
import SwitchbackPrograms

extension MatrixMultiplication: FloatingKernel {
  func run<T: ReferenceScalar>(_ operands: ReferenceOperands, as type: T.Type) throws(BackendError) {
    guard let result = operands.outputs[0] else { return }
    let (batch, m, n, k) = sizes(operands.inputs.map(\.type))
    let (a, y) = (operands.inputs[0].elements(type), result.elements(type))
    // Rows of b are read along n; a transposed b is turned around first.
    let rows = UnsafeMutablePointer<T>.allocate(capacity: transposeB ? max(batch * k * n, 1) : 1)
    defer { rows.deallocate() }
    let given = operands.inputs[1].elements(type)
    if transposeB {
      for matrix in 0..<batch {
        for column in 0..<n {
          for inner in 0..<k {
            rows[matrix * k * n + inner * n + column] = given[matrix * k * n + column * k + inner]
          }
        }
      }
    }
    let b = transposeB ? rows : given
    let (rowStride, innerStride) = transposeA ? (1, m) : (k, 1)
    operands.parallel(batch * m, grain: max(1, 65536 / max(n * k, 1))) {
      // In Float64, as in a convolution.
      let sums = UnsafeMutablePointer<Double>.allocate(capacity: max(n, 1))
      defer { sums.deallocate() }
      for row in $0 {
        let (matrix, i) = (row / m, row % m)
        let left = a + matrix * m * k + i * rowStride
        let right = b + matrix * k * n
        let out = y + row * n
        sums.initialize(repeating: 0, count: n)
        for inner in 0..<k {
          let factor = Double(left[inner * innerStride])
          let line = right + inner * n
          for column in 0..<n { sums[column] += factor * Double(line[column]) }
        }
        for column in 0..<n { out[column] = T(sums[column]) }
      }
    }
  }
}

import SwitchbackPrograms

extension MatrixMultiplication: OpenBLASOperation {
  func kernel(_ maker: KernelMaker) -> Kernel { maker.matrixMultiplication(self) }
}

extension KernelMaker {
  func matrixMultiplication(_ operation: MatrixMultiplication) -> Kernel {
    let (a, b, y, library) = (input(0), input(1), output, library)
    let (batch, m, n, k) = operation.sizes(types)
    let (transposeA, transposeB) = (operation.transposeA, operation.transposeB)
    guard type(0).shape.rank == 2 else {
      // A row is all matrices of one entry of the first axis.
      let rows = rowCount(type(0))
      let matrices = rows == 0 ? 0 : batch / rows
      return Kernel(access: [.rows, .rows], rows: rows) { frame in
        for matrix in 0..<frame.rows * matrices {
          library.multiply(
            m, n, k, frame.floats(a) + matrix * m * k, transposeA: transposeA, frame.floats(b) + matrix * k * n,
            transposeB: transposeB, into: frame.floats(y) + matrix * m * n, beta: 0)
        }
      }
    }
    guard operation.transposeA else {
      return Kernel(access: [.rows, .whole], rows: m) { frame in
        library.multiply(
          frame.rows, n, k, frame.floats(a), transposeA: false, frame.floats(b), transposeB: transposeB,
          into: frame.floats(y), beta: 0)
      }
    }
    guard !transposeB else {
      return Kernel(access: nil, rows: 1) { frame in
        library.multiply(
          m, n, k, frame.floats(a), transposeA: true, frame.floats(b), transposeB: true, into: frame.floats(y),
          beta: 0)
      }
    }
    // aᵀ·b sums over the rows of both: the gradient of a dense kernel.
    return Kernel(access: [.rows, .rows], rows: k, reduction: .sum(count: m * n)) { frame in
      library.multiply(
        m, n, frame.rows, frame.floats(a), transposeA: true, frame.floats(b), transposeB: false,
        into: frame.floats(y), beta: 1)
    }
  }
}

extension Kernel.Reduction {
  /// Slots of `count` floats added up, times `scale`.
  static func sum(count: Int, scale: Float = 1) -> Kernel.Reduction {
    Kernel.Reduction(slotByteCount: count * 4) { slots, slotCount, stride, result in
      let y = result.assumingMemoryBound(to: Float.self)
      let first = slots.assumingMemoryBound(to: Float.self)
      for e in 0..<count { y[e] = first[e] }
      for slot in 1..<max(slotCount, 1) {
        let x = (slots + slot * stride).assumingMemoryBound(to: Float.self)
        for e in 0..<count { y[e] += x[e] }
      }
      if scale != 1 { for e in 0..<count { y[e] *= scale } }
    }
  }
}

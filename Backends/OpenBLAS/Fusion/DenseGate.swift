import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// A dense layer's gradient goes on through the relu of the layer below while it is in registers.
///
///     dy   kernel     dy is not transposed
///      ╲   ╱
///     matmul    y     the result of relu
///         ╲    ╱
///      relu/backward
///            │
///            dx
///
/// Where a probe, a tap or the host looks at the product (the gradient before the gate, which the monitor watches), it is
/// written beside dx, which is made of it by the instructions that the gate has alone. Another operation that reads it, and
/// a product that our kernel does not lead at, make this no chain.
enum DenseGate: FusionPattern {
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls? {
    let (segment, maker) = (fusion.segment, fusion.maker(first))
    guard let operation = segment.calls[first].operation as? MatrixMultiplication, !operation.transposeA,
      segment.values[maker.input(0)].type.shape.rank == 2, fusion.computes(first),
      var chain = CallChain(from: first, fusion.uses)
    else { return nil }
    let product = chain.result
    let gate = chain.follow { call, product -> Int? in
      guard let gate = segment.calls[call].operation as? UnaryBackward, gate.function == .relu,
        segment.calls[call].inputs[1] == product, segment.calls[call].inputs[0] != product
      else { return nil }
      return segment.calls[call].inputs[0]
    }
    let (_, m, n, k) = operation.sizes(maker.types)
    // One address a value: the kernel is not divided.
    guard let gate, !Set([gate, maker.input(0)]).contains(maker.input(1)),
      let between = MatchedHalf(chain).between(fusion.uses)
    else { return nil }
    var shape = sb_product()
    (shape.m, shape.n, shape.k) = (Int64(m), Int64(n), Int64(k))
    guard fusion.library.kernels.pointee.leads_product(&shape) != 0 else { return nil }
    let kept = between.watched.contains(product) ? product : nil
    return FusedCalls(halves: [MatchedHalf(chain)]) { [chain] _ in
      [work(in: fusion, maker, operation, chain, gate: gate, product: kept)]
    }
  }

  /// `product`: where somebody looks at it.
  private static func work(
    in fusion: Fusion, _ maker: WorkMaker, _ operation: MatrixMultiplication, _ chain: CallChain, gate: Int,
    product: Int?
  ) -> Work {
    let (a, b, y, library) = (maker.input(0), maker.input(1), chain.result, fusion.library)
    let (_, _, n, k) = operation.sizes(maker.types)
    let transposeB = operation.transposeB
    return FusedProduct(
      fusion: fusion, calls: chain.calls, operation: operation, a: a, b: b, rows: [gate], y: y,
      beside: [product].compactMap { $0 }
    ) { frame, part in
      var shape = sb_product(
        m: Int64(part.rows), n: Int64(part.columns), k: Int64(k), a_stride: Int64(k),
        b_stride: Int64(transposeB ? k : n), c_stride: Int64(n), transpose_a: 0, transpose_b: transposeB ? 1 : 0,
        adds: 0)
      let (left, right) = (frame.floats(a) + part.a, frame.floats(b) + part.b)
      let (opening, result) = (frame.floats(gate) + part.result, frame.floats(y) + part.result)
      if product == nil, library.kernels.pointee.leads_product(&shape) != 0 {
        var end = sb_product_end(bias: nil, relu: 0, gate: opening)
        library.kernels.pointee.product(&shape, left, right, result, &end)
        return
      }
      let products = product.map { frame.floats($0) + part.result } ?? result
      library.multiply(
        part.rows, part.columns, k, left, transposeA: false, stride: k, right, transposeB: transposeB,
        stride: transposeB ? k : n, into: products, stride: n, beta: 0)
      for row in 0..<part.rows {
        _ = library.kernels.pointee.unary_backward(
          Int32(SB_RELU), 0, Int64(part.columns), opening + row * n, products + row * n, result + row * n)
      }
    }.work()
  }
}

import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// A dense layer's gradient goes on through the activation of the layer below: through relu while it is in registers,
/// through others while its rows are in a cache.
///
///     dy   kernel     dy is not transposed
///      ╲   ╱
///     matmul    v     what the function's slope is of: its result or its operand
///         ╲    ╱
///     unary/backward  any function that has a kernel
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
    let gate = chain.follow { call, product -> Gate? in
      guard fusion.computes(call), let backward = segment.calls[call].operation as? UnaryBackward,
        segment.calls[call].inputs[1] == product, segment.calls[call].inputs[0] != product
      else { return nil }
      return Gate(v: segment.calls[call].inputs[0], operation: backward)
    }
    let (_, m, n, k) = operation.sizes(maker.types)
    // One address a value: the kernel is not divided.
    guard let gate, !Set([gate.v, maker.input(0)]).contains(maker.input(1)),
      let between = MatchedHalf(chain).between(fusion.uses)
    else { return nil }
    var shape = sb_product()
    (shape.m, shape.n, shape.k) = (Int64(m), Int64(n), Int64(k))
    guard fusion.library.kernels.pointee.leads_product(&shape) != 0 else { return nil }
    let kept = between.watched.contains(product) ? product : nil
    return FusedCalls(halves: [MatchedHalf(chain)]) { [chain] _ in
      [[work(in: fusion, maker, operation, chain, gate: gate, product: kept)]]
    }
  }

  private struct Gate {
    let v: Int
    let operation: UnaryBackward
  }

  /// `product`: where somebody looks at it.
  private static func work(
    in fusion: Fusion, _ maker: WorkMaker, _ operation: MatrixMultiplication, _ chain: CallChain, gate: Gate,
    product: Int?
  ) -> Work {
    let (v, hasRelu, alpha) = (gate.v, gate.operation.function == .relu, Float(gate.operation.alpha))
    let function = sb_unary_number(gate.operation.function.rawValue)
    let (a, b, y, library) = (maker.input(0), maker.input(1), chain.result, fusion.library)
    let (_, _, n, k) = operation.sizes(maker.types)
    let transposeB = operation.transposeB
    return FusedProduct(
      fusion: fusion, calls: chain.calls, operation: operation, a: a, b: b, rows: [v], y: y,
      beside: [product].compactMap { $0 }
    ) { frame, part in
      var shape = sb_product(
        m: Int64(part.rows), n: Int64(part.columns), k: Int64(k), a_stride: Int64(k),
        b_stride: Int64(transposeB ? k : n), c_stride: Int64(n), transpose_a: 0, transpose_b: transposeB ? 1 : 0,
        adds: 0)
      let (left, right) = (frame.floats(a) + part.a, frame.floats(b) + part.b)
      let (opening, result) = (frame.floats(v) + part.result, frame.floats(y) + part.result)
      if hasRelu, product == nil, library.kernels.pointee.leads_product(&shape) != 0 {
        var end = sb_product_end(bias: nil, relu: 0, gate: opening)
        library.kernels.pointee.product(&shape, left, right, result, &end)
        return
      }
      let products = product.map { frame.floats($0) + part.result } ?? result
      library.multiply(
        part.rows, part.columns, k, left, transposeA: false, stride: k, right, transposeB: transposeB,
        stride: transposeB ? k : n, into: products, stride: n, beta: 0)
      // All rows at once where nothing lies between them.
      let (lines, count) = part.columns == n ? (1, part.rows * n) : (part.rows, part.columns)
      for line in 0..<lines {
        _ = library.kernels.pointee.unary_backward(
          function, alpha, Int64(count), opening + line * n, products + line * n, result + line * n)
      }
    }.work()
  }
}

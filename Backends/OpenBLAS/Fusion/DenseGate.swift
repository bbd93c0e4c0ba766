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
      segment.values[maker.input(0)].type.shape.rank == 2, case .success = maker.make(),
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
    let gated = Gated(
      operation: operation, gate: gate, product: between.watched.contains(product) ? product : nil, chain: chain,
      maker: maker)
    return FusedCalls(halves: [MatchedHalf(chain)]) { _ in
      var work = gated.work(grid: nil)
      work.product = Work.Product(m: m, n: n, k: k, a: maker.input(0), b: maker.input(1)) { gated.work(grid: $0) }
      return [work]
    }
  }
}

private struct Gated {
  let operation: MatrixMultiplication
  let gate: Int
  /// Where somebody looks at it.
  let product: Int?
  let chain: CallChain
  let maker: WorkMaker

  /// By rows, or tile by tile of `grid`.
  func work(grid: TileGrid?) -> Work {
    let (a, b, y, gate, product, library) = (maker.input(0), maker.input(1), chain.result, gate, product, maker.library)
    let (_, m, n, k) = operation.sizes(maker.types)
    let transposeB = operation.transposeB
    let segment = maker.segment
    let flops = chain.calls.reduce(0) {
      $0 + segment.calls[$1].operation.cost(for: segment.inputTypes(segment.calls[$1])).flops
    }
    let bytes = [a, b, gate, y].reduce(0) { $0 + segment.values[$1].type.byteCount }
    @inline(__always)
    func compute(_ frame: Work.Frame, _ rows: Int, _ columns: Int, from x: Int, _ w: Int, to offset: Int) {
      var shape = sb_product(
        m: Int64(rows), n: Int64(columns), k: Int64(k), a_stride: Int64(k), b_stride: Int64(transposeB ? k : n),
        c_stride: Int64(n), transpose_a: 0, transpose_b: transposeB ? 1 : 0, adds: 0)
      let (opening, result) = (frame.floats(gate) + offset, frame.floats(y) + offset)
      if product == nil, library.kernels.pointee.leads_product(&shape) != 0 {
        var end = sb_product_end(bias: nil, relu: 0, gate: opening)
        library.kernels.pointee.product(&shape, frame.floats(a) + x, frame.floats(b) + w, result, &end)
        return
      }
      let products = product.map { frame.floats($0) + offset } ?? result
      library.multiply(
        rows, columns, k, frame.floats(a) + x, transposeA: false, stride: k, frame.floats(b) + w,
        transposeB: transposeB, stride: transposeB ? k : n, into: products, stride: n, beta: 0)
      for row in 0..<rows {
        _ = library.kernels.pointee.unary_backward(
          Int32(SB_RELU), 0, Int64(columns), opening + row * n, products + row * n, result + row * n)
      }
    }
    let rowAccess = grid == nil ? Work.Access.rows : .whole
    let form: Work.Form = grid == nil ? .rows : .tiles
    var work = Work(
      calls: chain.calls,
      operands: [
        .init(value: a, access: rowAccess), .init(value: b, access: .whole), .init(value: gate, access: rowAccess),
      ],
      results: [.init(value: y, form: form)]
        + (product.map { [.init(value: $0, form: form, isBeside: true)] } ?? []),
      rows: grid?.count ?? m, isDivisible: true, isSource: grid != nil, cost: Cost(flops: flops, bytes: bytes)
    ) { frame in
      guard let grid else { return compute(frame, frame.rows, n, from: 0, 0, to: 0) }
      for index in frame.firstRow..<frame.firstRow + frame.rows {
        let tile = grid.tile(index)
        compute(
          frame, tile.height, tile.width, from: tile.row * k, transposeB ? tile.column * k : tile.column,
          to: tile.row * n + tile.column)
      }
    }
    work.grid = grid
    return work
  }
}

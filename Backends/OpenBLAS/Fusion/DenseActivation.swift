import SwitchbackBackendKit
import SwitchbackCPUKernels
import SwitchbackPrograms

/// A dense layer's results get their bias and go through relu while they are in registers, through other activations while
/// their rows are in a cache.
///
///     x   kernel     x is not transposed
///      ╲  ╱
///     matmul   bias   f32[columns], or f32[1, columns]
///         ╲    ╱
///          add        or none
///           │
///       activation    any function that has a kernel, or none; one of the two there is
///           │
///           y
///
/// Where a probe, a tap or the host looks at the product or the sum, it is written beside y, and what follows takes it from
/// there, by the instructions that the calls have alone. Another operation that reads it ends the chain there.
enum DenseActivation: FusionPattern {
  static func match(_ first: Int, in fusion: Fusion) -> FusedCalls? {
    guard let dense = Dense(from: first, in: fusion), dense.chain.calls.count > 1,
      let between = MatchedHalf(dense.chain).between(fusion.uses)
    else { return nil }
    return FusedCalls(halves: [MatchedHalf(dense.chain)]) { _ in [dense.work(in: fusion, between.watched)] }
  }
}

/// The chain, and the work of it.
private struct Dense {
  private(set) var chain: CallChain
  private let call: Int
  private let operation: MatrixMultiplication
  private var bias: Int?
  private var activation: Unary?
  private let product: Int
  private let sum: Int

  init?(from first: Int, in fusion: Fusion) {
    let segment = fusion.segment
    func computes(_ call: Int) -> Bool {
      if case .success = fusion.maker(call).make() { true } else { false }
    }
    guard let operation = segment.calls[first].operation as? MatrixMultiplication, !operation.transposeA,
      segment.values[segment.calls[first].inputs[0]].type.shape.rank == 2, computes(first),
      var chain = CallChain(from: first, fusion.uses)
    else { return nil }
    (call, self.operation, product) = (first, operation, chain.result)
    let x = segment.calls[first].inputs[0]
    bias = chain.follow { call, product in
      guard let add = segment.calls[call].operation as? Binary, add.function == .add, computes(call),
        // One address a value: x is divided, and a bias is not.
        let bias = segment.calls[call].inputs.first(where: { $0 != product }), bias != x,
        segment.isRowVector(bias, of: product)
      else { return nil }
      return bias
    }
    sum = chain.result
    activation = chain.follow { call, _ in computes(call) ? segment.calls[call].operation as? Unary : nil }
    self.chain = chain
  }

  func work(in fusion: Fusion, _ watched: Set<Int>) -> Work {
    let maker = fusion.maker(call)
    let (_, m, n, k) = operation.sizes(maker.types)
    var work = work(in: fusion, watched, grid: nil)
    work.product = Work.Product(m: m, n: n, k: k, a: maker.input(0), b: maker.input(1)) { grid in
      self.work(in: fusion, watched, grid: grid)
    }
    return work
  }

  /// By rows, or tile by tile of `grid`.
  private func work(in fusion: Fusion, _ watched: Set<Int>, grid: TileGrid?) -> Work {
    let maker = fusion.maker(call)
    let (a, b, y, bias) = (maker.input(0), maker.input(1), chain.result, bias)
    let (_, m, n, k) = operation.sizes(maker.types)
    let transposeB = operation.transposeB
    let keptProduct = watched.contains(product) ? product : nil
    let keptSum = sum != product && sum != y && watched.contains(sum) ? sum : nil
    let end = DenseEnd(activation, fusion.library)
    let beside = [keptProduct, keptSum].compactMap { $0 }
    let values = [a, b] + (bias.map { [$0] } ?? [])
    let flops = chain.calls.reduce(0) {
      $0 + fusion.segment.calls[$1].operation.cost(for: fusion.segment.inputTypes(fusion.segment.calls[$1])).flops
    }
    let bytes = (values + [y]).reduce(0) { $0 + fusion.segment.values[$1].type.byteCount }
    // The rows and columns at hand, where a operand's or result's first of them lies, and floats between its rows.
    @inline(__always)
    func compute(
      _ frame: Work.Frame, _ rows: Int, _ columns: Int, from x: Int, _ w: Int, to offset: Int, column: Int
    ) {
      end.multiply(
        rows, columns, k, frame.floats(a) + x, frame.floats(b) + w, transposeB: transposeB, stride: transposeB ? k : n,
        bias: bias.map { UnsafePointer(frame.floats($0) + column) },
        product: keptProduct.map { frame.floats($0) + offset },
        sum: keptSum.map { frame.floats($0) + offset }, into: frame.floats(y) + offset, stride: n)
    }
    let form: Work.Form = grid == nil ? .rows : .tiles
    var work = Work(
      calls: chain.calls,
      operands: values.map { .init(value: $0, access: $0 == a && grid == nil ? .rows : .whole) },
      results: [.init(value: y, form: form)] + beside.map { .init(value: $0, form: form, isBeside: true) },
      rows: grid?.count ?? m, isDivisible: grid != nil || a != b, isSource: grid != nil,
      cost: Cost(flops: flops, bytes: bytes)
    ) { frame in
      guard let grid else { return compute(frame, frame.rows, n, from: 0, 0, to: 0, column: 0) }
      for index in frame.firstRow..<frame.firstRow + frame.rows {
        let tile = grid.tile(index)
        compute(
          frame, tile.height, tile.width, from: tile.row * k, transposeB ? tile.column * k : tile.column,
          to: tile.row * n + tile.column, column: tile.column)
      }
    }
    work.grid = grid
    return work
  }
}

/// What a dense layer does with its products.
private struct DenseEnd {
  private let library: OpenBLASLibrary
  private let hasRelu: Bool
  /// Number and setting of another function.
  private let function: Int32?
  private let alpha: Float
  private let add = sb_arithmetic_number("add")

  init(_ activation: Unary?, _ library: OpenBLASLibrary) {
    self.library = library
    hasRelu = activation?.function == .relu
    function = activation.map { sb_unary_number($0.function.rawValue) }
    alpha = Float(activation?.alpha ?? 0)
  }

  /// y ← activation(a·op(b) + bias), row-major: y is m×n, a m×k without gaps. `product` and `sum` lie as y, or are not
  /// written.
  @inline(__always)
  func multiply(
    _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, transposeB: Bool,
    stride strideB: Int, bias: UnsafePointer<Float>?, product: UnsafeMutablePointer<Float>?,
    sum: UnsafeMutablePointer<Float>?, into y: UnsafeMutablePointer<Float>, stride: Int
  ) {
    guard m > 0, n > 0 else { return }
    var shape = sb_product(
      m: Int64(m), n: Int64(n), k: Int64(k), a_stride: Int64(k), b_stride: Int64(strideB), c_stride: Int64(stride),
      transpose_a: 0, transpose_b: transposeB ? 1 : 0, adds: 0)
    if product == nil, library.kernels.pointee.leads_product(&shape) != 0 {
      // What follows the bias is another pass where it is no relu, or where somebody looks at the sum.
      let isEnded = hasRelu && sum == nil
      var end = sb_product_end(bias: bias, relu: isEnded ? 1 : 0, gate: nil)
      let sums = sum ?? y
      library.kernels.pointee.product(&shape, a, b, sums, &end)
      if !isEnded { activate(m, n, sums, y, stride) }
      return
    }
    let products = product ?? (bias == nil ? y : sum ?? y)
    if k > 0 {
      library.multiply(
        m, n, k, a, transposeA: false, stride: k, b, transposeB: transposeB, stride: strideB, into: products,
        stride: stride, beta: 0)
    } else {
      for row in 0..<m { (products + row * stride).update(repeating: 0, count: n) }
    }
    guard let bias else { return activate(m, n, products, y, stride) }
    let sums = sum ?? y
    forEachLine(m, n, stride) { first, rows, columns in
      _ = library.kernels.pointee.binary_row(
        add, Int64(rows), Int64(columns), products + first, bias, sums + first)
    }
    activate(m, n, sums, y, stride)
  }

  @inline(__always)
  private func activate(
    _ m: Int, _ n: Int, _ from: UnsafeMutablePointer<Float>, _ y: UnsafeMutablePointer<Float>, _ stride: Int
  ) {
    guard let function else { return }
    forEachLine(m, n, stride) { first, rows, columns in
      _ = library.kernels.pointee.unary(function, alpha, Int64(rows * columns), from + first, y + first)
    }
  }

  /// All rows at once where nothing lies between them.
  @inline(__always)
  private func forEachLine(
    _ m: Int, _ n: Int, _ stride: Int, _ body: (_ first: Int, _ rows: Int, _ columns: Int) -> Void
  ) {
    guard n != stride else { return body(0, m, n) }
    for row in 0..<m { body(row * stride, 1, n) }
  }
}

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
    return FusedCalls(halves: [MatchedHalf(dense.chain)]) { _ in [[dense.work(in: fusion, between.watched)]] }
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
    guard let operation = segment.calls[first].operation as? MatrixMultiplication, !operation.transposeA,
      segment.values[segment.calls[first].inputs[0]].type.shape.rank == 2, fusion.computes(first),
      var chain = CallChain(from: first, fusion.uses)
    else { return nil }
    (call, self.operation, product) = (first, operation, chain.result)
    let x = segment.calls[first].inputs[0]
    bias = chain.follow { call, product in
      // One address a value: x is divided, and a bias is not.
      guard fusion.computes(call), let bias = segment.rowVector(addedTo: product, by: call), bias != x else {
        return nil
      }
      return bias
    }
    sum = chain.result
    activation = chain.follow { call, _ in fusion.computes(call) ? segment.calls[call].operation as? Unary : nil }
    self.chain = chain
  }

  func work(in fusion: Fusion, _ watched: Set<Int>) -> Work {
    let maker = fusion.maker(call)
    let (a, b, y, bias) = (maker.input(0), maker.input(1), chain.result, bias)
    let (_, _, n, k) = operation.sizes(maker.types)
    let transposeB = operation.transposeB
    let keptProduct = watched.contains(product) ? product : nil
    let keptSum = sum != product && sum != y && watched.contains(sum) ? sum : nil
    let end = DenseEnd(activation, fusion.library)
    return FusedProduct(
      fusion: fusion, calls: chain.calls, operation: operation, a: a, b: b, whole: bias.map { [$0] } ?? [], y: y,
      beside: [keptProduct, keptSum].compactMap { $0 }
    ) { frame, part in
      end.multiply(
        part.rows, part.columns, k, frame.floats(a) + part.a, frame.floats(b) + part.b, transposeB: transposeB,
        stride: transposeB ? k : n, bias: bias.map { UnsafePointer(frame.floats($0) + part.column) },
        product: keptProduct.map { frame.floats($0) + part.result },
        sum: keptSum.map { frame.floats($0) + part.result }, into: frame.floats(y) + part.result, stride: n)
    }.work()
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

import SwitchbackCPUKernels
import Testing

/// A product with operands that lie in wider matrices, and what it gives by definition, in Float64.
private struct Example: CustomStringConvertible {
  let shape: sb_product
  var a: [Float]
  let b: [Float]
  let start: [Float]
  let bias: [Float]

  var description: String {
    "\(shape.m)×\(shape.k) · \(shape.k)×\(shape.n), transposed \(shape.transpose_a) \(shape.transpose_b), adds \(shape.adds)"
  }

  init(_ m: Int, _ n: Int, _ k: Int, transposeA: Bool, transposeB: Bool, adds: Bool) {
    let (strideA, strideB) = ((transposeA ? m : k) + 3, (transposeB ? k : n) + 5)
    shape = sb_product(
      m: Int64(m), n: Int64(n), k: Int64(k), a_stride: Int64(strideA), b_stride: Int64(strideB), c_stride: Int64(n + 7),
      transpose_a: transposeA ? 1 : 0, transpose_b: transposeB ? 1 : 0, adds: adds ? 1 : 0)
    var state: UInt32 = 1
    func random(_ count: Int) -> [Float] {
      (0..<count).map { _ in
        state = state &* 1_664_525 &+ 1_013_904_223
        return Float(state >> 8) * 0x1p-23 - 1
      }
    }
    a = random((transposeA ? k : m) * strideA)
    b = random((transposeB ? n : k) * strideB)
    start = random(m * (n + 7))
    bias = random(n)
  }

  /// The terms of a result.
  func terms(_ row: Int, _ column: Int) -> [Double] {
    (0..<Int(shape.k)).map { k in
      let x = shape.transpose_a != 0 ? a[k * Int(shape.a_stride) + row] : a[row * Int(shape.a_stride) + k]
      let y = shape.transpose_b != 0 ? b[column * Int(shape.b_stride) + k] : b[k * Int(shape.b_stride) + column]
      return Double(x) * Double(y)
    }
  }

  /// `isEnded`: with the bias and relu. `gates`: results of relu, as many as `start`.
  func run(_ kernels: UnsafePointer<sb_kernels>, isEnded: Bool = false, gates: [Float]? = nil) -> [Float] {
    var (shape, c) = (shape, start)
    bias.withUnsafeBufferPointer { bias in
      (gates ?? []).withUnsafeBufferPointer { opening in
        var end = sb_product_end(
          bias: isEnded ? bias.baseAddress : nil, relu: isEnded ? 1 : 0,
          gate: gates == nil ? nil : opening.baseAddress)
        kernels.pointee.product(&shape, a, b, &c, &end)
      }
    }
    return c
  }
}

private let setNames: [String] = ["avx512", "avx2", "baseline"]
private var instructionSets: [UnsafePointer<sb_kernels>] { setNames.compactMap { name in sb_kernels_named(name) } }
/// Whole tiles and rests of rows, columns and terms; 513 and 1100 terms are sums of sums.
private let sizes = [
  (1, 1, 1), (2, 3, 4), (4, 10, 64), (10, 16, 8), (13, 17, 31), (61, 33, 40), (11, 32, 513), (7, 64, 1100), (45, 40, 9),
  (41, 130, 20), (3, 5, 0), (0, 4, 3), (8, 9, 33), (16, 64, 40), (32, 50, 600),
]

@Suite struct ProductTests {
  @Test("products are right on every instruction set, of blocks of wider matrices, and touch nothing beside them")
  func sums() {
    for kernels in instructionSets {
      for (m, n, k) in sizes {
        for form in 0..<8 {
          let example = Example(
            m, n, k, transposeA: form & 1 != 0, transposeB: form & 2 != 0, adds: form & 4 != 0)
          let found = example.run(kernels)
          for row in 0..<m {
            for column in 0..<n + 7 {
              let at = row * (n + 7) + column
              guard column < n else {
                #expect(found[at] == example.start[at], "\(example): beside, \(row), \(column)")
                continue
              }
              let terms = example.terms(row, column)
              let added = form & 4 != 0 ? Double(example.start[at]) : 0
              let bound = Double(k + 1) * 6e-8 * terms.reduce(added.magnitude) { $0 + $1.magnitude }
              #expect(
                (Double(found[at]) - terms.reduce(added, +)).magnitude <= bound, "\(example): \(row), \(column)")
            }
          }
        }
      }
    }
  }

  @Test("bias, relu and gates at the end have the bits of passes of their own; NaN stays")
  func ends() {
    for kernels in instructionSets {
      for (m, n, k) in sizes where k > 0 && m > 0 {
        for transposeB in [false, true] {
          var example = Example(m, n, k, transposeA: false, transposeB: transposeB, adds: false)
          // Of the first row every result is NaN, of the last infinite or NaN.
          example.a[Int(example.shape.a_stride) * (m - 1)] = .infinity
          example.a[0] = .nan
          var gates = Example(m, n, k, transposeA: true, transposeB: false, adds: true).start.map { $0.rounded() }
          gates[n / 2] = .nan
          let sums = example.run(kernels)
          let (ended, gated) = (example.run(kernels, isEnded: true), example.run(kernels, gates: gates))
          for row in 0..<m {
            for column in 0..<n {
              let at = row * (n + 7) + column
              let sum = sums[at] + example.bias[column]
              expectSame(ended[at], sum <= 0 ? 0 : sum, example)
              expectSame(gated[at], gates[at] > 0 ? sums[at] : gates[at] <= 0 ? 0 : gates[at], example)
            }
          }
        }
      }
    }
  }

  private func expectSame(_ found: Float, _ expected: Float, _ example: Example) {
    #expect(found.isNaN == expected.isNaN, "\(example)")
    #expect(expected.isNaN || found.bitPattern == expected.bitPattern, "\(example)")
  }
}

import SwitchbackAllocationCount
import SwitchbackOpenBLASLibrary
import Testing

/// OpenBLAS' kernels for AVX-512 allocate memory in some small products; ours take their place there.
@Suite(.enabled(if: hasOpenBLAS, "libopenblas.so.0 is not on this machine")) struct SmallProductTests {
  @Test("small products allocate nothing and are right, also of blocks of wider matrices", arguments: [Float(0), 1])
  func products(beta: Float) throws {
    var reason: UnsafePointer<CChar>?
    let library = try #require(switchback_openblas_open(&reason)).pointee
    let (strideB, strideC) = (40, 37)
    for (m, k) in [(1, 31), (1, 32), (3, 33), (4, 48), (7, 100), (13, 64), (2, 1100)] {
      let strideA = k + 3
      let a = (0..<m * strideA).map { Float($0 * 37 % 101 - 50) / 64 }
      let b = (0..<k * strideB).map { Float($0 * 53 % 97 - 48) / 32 }
      for n in 1...34 {
        var c = [Float](repeating: 0.5, count: m * strideC)
        c.withUnsafeMutableBufferPointer { c in
          func multiply() {
            // 101: row-major; 111: not transposed.
            library.sgemm(
              101, 111, 111, Int32(m), Int32(n), Int32(k), 1, a, Int32(strideA), b, Int32(strideB), beta, c.baseAddress,
              Int32(strideC))
          }
          multiply()
          c.update(repeating: 0.5)
          let before = allocation_count()
          multiply()
          let count = allocation_count() - before
          #expect(count == 0, "\(m)×\(k) · \(k)×\(n)")
        }
        for row in 0..<m {
          for column in 0..<strideC {
            let terms = (0..<k).map { Double(a[row * strideA + $0]) * Double(b[$0 * strideB + column]) }
            let expected = column < n ? terms.reduce(0.5 * Double(beta), +) : 0.5
            let bound = Double(k) * 6e-8 * terms.reduce(1) { $0 + $1.magnitude }
            let found = Double(c[row * strideC + column])
            #expect((found - expected).magnitude <= bound, "\(m)×\(k) · \(k)×\(n), row \(row), column \(column)")
          }
        }
      }
    }
  }
}

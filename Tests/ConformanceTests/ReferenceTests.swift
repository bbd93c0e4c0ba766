import SwitchbackExecution
import SwitchbackPrograms
import SwitchbackReference
import Testing

@Suite struct ReferenceTests {
  /// 2²⁴, 1, −2²⁴: in Float32 the one is lost on the way.
  private let cancelling: [Float] = [16_777_216, 1, -16_777_216]

  @Test("products and convolutions of Float32 are summed in Float64 and rounded once")
  func sums() throws {
    let cases: [(any TensorOperation, TensorType, TensorType)] = [
      (MatrixMultiplication(), .float32([1, 3]), .float32([3, 1])),
      (MatrixMultiplication(transposeA: true, transposeB: true), .float32([3, 1]), .float32([1, 3])),
      (Convolution2D(), .float32([1, 1, 3, 1]), .float32([1, 3, 1, 1])),
      (Convolution2D(), .float32([1, 1, 1, 3]), .float32([1, 1, 3, 1])),
    ]
    for (operation, x, w) in cases {
      var builder = ProgramBuilder(name: "sum")
      let operands = [builder.input("x", x), builder.input("w", w)]
      builder.output("y", try builder.append(operation, operands)[0])
      let executor = try ProgramExecutor(
        builder.build(), on: try chain(ReferenceBackend()), states: StateStore())
      try executor.withInput("x") { bytes in cancelling.withUnsafeBytes { bytes.copyMemory(from: $0) } }
      try executor.withInput("w") { bytes in
        for index in 0..<3 { bytes.storeBytes(of: 1, toByteOffset: 4 * index, as: Float.self) }
      }
      try executor.run()
      #expect(try executor.withOutput("y") { $0.load(as: Float.self) } == 1, "\(operation)")
    }
  }
}

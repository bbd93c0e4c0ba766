import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// The gradient of a convolution's image behind an activation.
private struct GatedGradient {
  var function = UnaryFunction.relu
  var kernel: [Int: Float] = [:]

  /// What became one work, and the image's gradient.
  func run(on backend: any ComputeBackend) throws -> (groups: [String], dx: [Float]) {
    var builder = ProgramBuilder(name: "gated")
    let v = builder.input("v", .float32([2, 3, 3, 70])), dy = builder.input("dy", .float32([2, 3, 3, 70]))
    let gated = try builder.append(UnaryBackward(function), v, dy)
    let input = Convolution2DBackwardInput(ConvolutionGeometry(), inputSize: [5, 5])
    builder.output("dx", try builder.append(input, gated, builder.state("kernel", .float32([3, 3, 16, 70]))))
    let program = builder.build()
    let states = StateStore()
    let executor = try ProgramExecutor(program, on: try chain(backend, workers: 2), states: states)
    func fill(_ bytes: UnsafeMutableRawBufferPointer, _ name: String, _ planted: [Int: Float] = [:]) {
      let philox = Philox(seed: name.utf8.reduce(7) { $0 &* 31 &+ Int64($1) })
      for element in 0..<bytes.count / 4 {
        let number = Float(philox.bits(block: element, stream: 0, step: 0)[0] >> 8) / Float(1 << 23) - 1
        bytes.storeBytes(of: planted[element] ?? number, toByteOffset: 4 * element, as: Float.self)
      }
    }
    try states.withMutableBytes(of: "kernel") { fill($0, "kernel", kernel) }
    for name in ["v", "dy"] { try executor.withInput(name) { fill($0, name) } }
    try executor.run()
    return (
      executor.plan.reports.flatMap(\.groupNames),
      try executor.withOutput("dx") { Array($0.bindMemory(to: Float.self)) }
    )
  }
}

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct GatedGradientTests {
  @Test(
    "behind relu an image's gradient is summed up from what is not 0, behind another activation it is not",
    arguments: [UnaryFunction.relu, .tanh])
  func choice(function: UnaryFunction) throws {
    let (groups, _) = try GatedGradient(function: function).run(on: OpenBLASBackend())
    #expect(groups.contains { $0.contains("conv2d/backwardInput · sparse") } == (function == .relu), "\(groups)")
  }

  @Test("a weight that is not finite makes NaN of the zeros that relu left", arguments: [Float(0.5), .infinity, .nan])
  func values(weight: Float) throws {
    let gradient = GatedGradient(kernel: [4 * 16 * 70 + 33: weight])
    let (mine, exact) = (try gradient.run(on: OpenBLASBackend()).dx, try gradient.run(on: ReferenceBackend()).dx)
    #expect(exact.contains(where: \.isNaN) == !weight.isFinite)
    for (mine, exact) in zip(mine, exact) {
      #expect(mine.isNaN == exact.isNaN && (!exact.isFinite || abs(mine - exact) < 1e-4), "\(mine) \(exact)")
    }
  }
}

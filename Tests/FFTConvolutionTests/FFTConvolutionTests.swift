import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackFFTConvolution
import SwitchbackPrograms
import SwitchbackReference
import Testing

private let shapes: [(geometry: ConvolutionGeometry, image: [Int], kernel: [Int])] = [
  // 1, primes, empty batch, kernels larger than the image, padding wider than the kernel.
  (same([3, 13, 11, 5], [5, 7]), [3, 13, 11, 5], [5, 7, 3]),
  (same([2, 6, 5, 2], [15, 31]), [2, 6, 5, 2], [15, 31, 3]),
  (ConvolutionGeometry(padding: [9, 8, 7, 10]), [2, 4, 3, 2], [3, 2, 2]),
  (same([0, 8, 8, 4], [5, 5]), [0, 8, 8, 4], [5, 5, 4]),
  (ConvolutionGeometry(), [1, 1, 1, 1], [1, 1, 1]),
  // Strides above the kernel, strides with dilation, which leave phases without taps.
  (ConvolutionGeometry(strides: [3, 4]), [2, 11, 14, 3], [2, 3, 4]),
  (ConvolutionGeometry(strides: [2, 2], padding: [3, 2, 1, 4], dilations: [2, 3]), [2, 15, 17, 3], [3, 4, 5]),
  (ConvolutionGeometry(strides: [4, 6], dilations: [6, 4]), [2, 29, 31, 2], [3, 5, 3]),
  (same([2, 14, 15, 6], [5, 5], strides: [2, 3], groups: 3), [2, 14, 15, 6], [5, 5, 9]),
  // Depthwise, with and without strides; a multiplier.
  (same([3, 12, 10, 7], [7, 7], groups: 7), [3, 12, 10, 7], [7, 7, 7]),
  (same([2, 13, 12, 6], [5, 3], strides: [2, 2], groups: 6), [2, 13, 12, 6], [5, 3, 6]),
  (same([2, 9, 9, 3], [5, 5], groups: 3), [2, 9, 9, 3], [5, 5, 6]),
  (same([2, 12, 12, 40], [9, 9], groups: 40), [2, 12, 12, 40], [9, 9, 40]),
  // One axis: sequences, rows as images of their own, and columns.
  (ConvolutionGeometry(padding: [0, 0, 16, 0]), [2, 1, 67, 5], [1, 17, 4]),
  (ConvolutionGeometry(padding: [0, 0, 62, 0], groups: 6), [3, 1, 63, 6], [1, 63, 6]),
  (ConvolutionGeometry(padding: [0, 0, 2, 2]), [2, 5, 21, 3], [1, 5, 4]),
  (ConvolutionGeometry(padding: [3, 3, 0, 0]), [2, 21, 4, 3], [7, 1, 4]),
  (ConvolutionGeometry(strides: [1, 2], padding: [0, 0, 2, 2], groups: 2), [2, 3, 21, 4], [1, 5, 6]),
  (ConvolutionGeometry(), [2, 5, 4, 3], [1, 1, 2]),
  // Long enough for tiles.
  (ConvolutionGeometry(padding: [0, 0, 1, 1], groups: 2), [1, 1, 5000, 2], [1, 3, 2]),
  (ConvolutionGeometry(), [1, 200, 190, 2], [5, 4, 3]),
  (same([1, 150, 300, 3], [7, 7], strides: [2, 1]), [1, 150, 300, 3], [7, 7, 2]),
  (same([1, 150, 170, 2], [7, 7], groups: 2), [1, 150, 170, 2], [7, 7, 2]),
]

private func fault(_ sample: OperationSample, _ chain: BackendChain, _ reference: BackendChain) throws -> String? {
  let comparison = try BackendComparison(sample, on: chain, reference: reference)
  return comparison.verdict == .passed ? nil : "\(sample.operation) \(sample.inputs): \(comparison.verdict)"
}

@Suite(.enabled(if: isFFTHere(), "libfftw3f.so.3 or libopenblas.so.0 is not on this machine"))
struct FFTConvolutionTests {
  @Test("every kind of shape lies within the bounds of the Float64 reference in all three passes")
  func bounds() throws {
    let (fft, reference) = (try chain(), try chain(ReferenceBackend()))
    for (geometry, image, kernel) in shapes {
      for sample in try passes(geometry, image, kernel) {
        if let fault = try fault(sample, fft, reference) { Issue.record("\(fault)") }
      }
    }
  }

  @Test("so do random shapes", arguments: 1...4)
  func random(seed: Int) throws {
    let (fft, reference) = (try chain(workers: 3), try chain(ReferenceBackend()))
    var dice = Dice(state: UInt64(seed))
    var count = 0
    while count < 30 {
      let groups = [1, 1, 2, 3][dice.roll(0...3)]
      let geometry = ConvolutionGeometry(
        strides: [dice.roll(1...3), dice.roll(1...3)], padding: (0..<4).map { _ in dice.roll(0...4) },
        dilations: [dice.roll(1...3), dice.roll(1...3)], groups: groups)
      let image = [dice.roll(1...4), dice.roll(1...19), dice.roll(1...19), groups * dice.roll(1...5)]
      let kernel = [dice.roll(1...7), dice.roll(1...7), groups * dice.roll(1...5)]
      guard let samples = try? passes(geometry, image, kernel) else { continue }
      count += 1
      for sample in samples { if let fault = try fault(sample, fft, reference) { Issue.record("\(fault)") } }
    }
  }

  @Test("the bits do not depend on the number of workers")
  func workers() throws {
    let chains = try [1, 2, 3].map { try chain(workers: $0) }
    for (geometry, image, kernel) in shapes {
      for sample in try passes(geometry, image, kernel) {
        let found = try chains.map { try bits(sample, on: $0) }
        #expect(found[0] == found[1] && found[0] == found[2], "\(sample.operation) \(sample.inputs)")
      }
    }
  }

  @Test("beyond the memory budget a batch is worked off in parts, and what never fits says how much it needs")
  func budget() throws {
    let (small, reference) = (
      try chain(FFTBackend(), ["force": "true", "memory": "1"]), try chain(ReferenceBackend())
    )
    let image = [23, 20, 20, 16]
    for sample in try passes(same(image, [5, 5]), image, [5, 5, 16]) {
      let plan = try ProgramEvaluation(try sample.program(), operands(sample), on: small).plan
      #expect(plan.memory.planned < 3 << 20)
      if let fault = try fault(sample, small, reference) { Issue.record("\(fault)") }
    }
    let large = [1, 90, 90, 64]
    let sample = try passes(same(large, [31, 31]), large, [31, 31, 64])[0]
    let error = #expect(throws: ExecutionError.self) {
      _ = try ProgramEvaluation(try sample.program(), operands(sample), on: small)
    }
    #expect(error?.kind == .outOfMemory)
    #expect(error?.message.contains("bytes for the spectra") == true)
  }

  @Test("small kernels are left to others, with the reason; force takes them; large ones are taken")
  func declining() throws {
    let (free, forced) = (try chain(FFTBackend(), [:]), try chain())
    let image = [64, 28, 28, 64]
    let small = try passes(same(image, [1, 1]), image, [1, 1, 64])
    for sample in small {
      let segment = Segment(try sample.program())
      guard case .decline(let reason) = try free.links[0].device.query(segment)[0] else {
        Issue.record("\(sample.operation) is taken")
        continue
      }
      #expect(reason.contains("faster") && reason.contains("force"))
      #expect(try forced.links[0].device.query(segment)[0].isAccepted)
    }
    for sample in try passes(same(image, [9, 9]), image, [9, 9, 64]) {
      #expect(try free.links[0].device.query(Segment(try sample.program()))[0].isAccepted)
    }
    // Where direct depthwise loops are as fast forward, their backward passes are not.
    let depthwise = [16, 28, 28, 64]
    let taken = try passes(same(depthwise, [7, 7], groups: 64), depthwise, [7, 7, 64]).map {
      try free.links[0].device.query(Segment(try $0.program()))[0].isAccepted
    }
    #expect(taken == [false, true, true])
    let half = OperationSample(
      Convolution2D(), [TensorType(.float16, [1, 9, 9, 2]), TensorType(.float16, [3, 3, 2, 2])])
    guard case .decline(let reason) = try forced.links[0].device.query(Segment(try half.program()))[0] else {
      Issue.record("f16 is taken")
      return
    }
    #expect(reason.contains("f16"))
  }

  @Test("an option that there is not, or a value that it cannot have, is an error that says what there is")
  func options() throws {
    for (options, word) in [
      (["forced": "true"], "force, memory"), (["force": "yes"], "true or false"), (["memory": "-1"], "MiB"),
    ] {
      let error = #expect(throws: BackendError.self) { try chain(FFTBackend(), options) }
      #expect(error?.message.contains(word) == true)
    }
  }
}

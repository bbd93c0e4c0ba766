import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// What the OpenBLAS backend says of each call of a segment: `matmul · 16 tiles of 104×256`.
private func groups(_ program: Program, workers: Int = 2) throws -> [String] {
  let device = try chain(OpenBLASBackend(), workers: workers).links[0].device
  let report = try device.compile(Segment(program)).report
  return report.groupOfCall.map { report.groupNames[$0] }
}

/// x·w of a batch and the gradients of both, with an update of w; watched: with statistics of each value.
private func dense(batch: [Int], _ inputs: Int, _ outputs: Int, isWatched: Bool = false) throws -> Program {
  var builder = ProgramBuilder(name: "dense")
  let x = builder.input("x", .float32(Shape(batch + [inputs])))
  let w = builder.state("w", .float32([inputs, outputs]))
  let rate = builder.step("rate", .float32([]))
  func watch(_ value: Value) throws {
    guard isWatched else { return }
    builder.output("probe\(value.id)", try builder.append(Statistics(), value))
  }
  let scaled = try builder.append(Unary(.tanh), x)
  try watch(scaled)
  let flat = try builder.append(Reshape(shape: [batch.reduce(1, *), inputs]), scaled)
  let product = try builder.append(MatrixMultiplication(), flat, w)
  try watch(product)
  let y = try builder.append(Unary(.tanh), product)
  try watch(y)
  let gradient = try builder.append(MatrixMultiplication(transposeA: true), flat, y)
  try watch(gradient)
  let dx = try builder.append(MatrixMultiplication(transposeB: true), y, w)
  try watch(dx)
  builder.output("dx", try builder.append(Unary(.tanh), dx))
  try watch(w)
  let allow = try builder.append(AllFinite(), gradient)
  _ = try builder.append(SGDUpdate(), [w, gradient, rate, allow])
  return builder.build()
}

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct DivisionTests {
  @Test("a large dense layer is made tile by tile, its gradient without partial sums, its update by ranges")
  func tiles() throws {
    let groups = try groups(dense(batch: [128], 784, 512))
    #expect(groups[2].contains("tiles of") && groups[4].contains("tiles of") && groups[5].contains("tiles of"))
    #expect(!groups[4].contains("sums"), "\(groups)")
    // 401408 elements.
    #expect(groups[8].contains("chunks of") && groups[8].contains("rows"), "\(groups)")
  }

  @Test("the gradient of a large filter is made tile by tile, that of a small one from partial sums")
  func filterGradients() throws {
    func words(_ size: Int, _ channels: Int) throws -> String {
      var builder = ProgramBuilder(name: "filter")
      let geometry = ConvolutionGeometry(padding: [1, 1, 1, 1])
      let image = TensorType.float32([64, size, size, channels])
      let x = try builder.append(Unary(.tanh), builder.input("x", image))
      let dy = try builder.append(Unary(.exp), builder.input("dy", image))
      builder.output(
        "dw", try builder.append(Convolution2DBackwardFilter(geometry, kernelSize: [3, 3]), x, dy))
      return try #require(try groups(builder.build()).last)
    }
    let (large, small) = try (words(4, 64), words(24, 16))
    #expect(large.contains("direct") && large.contains("tiles of") && !large.contains("sums"), "\(large)")
    #expect(small.contains("direct") && small.contains("sums"), "\(small)")
  }

  @Test("a small dense layer is divided over samples, and so is one of every time step")
  func samples() throws {
    let small = try groups(dense(batch: [256], 64, 64))
    #expect(small[2].contains("samples"), "\(small)")
    let timed = try groups(dense(batch: [64, 28], 64, 64))
    let words = try #require(timed[2].split(separator: " · ").last)
    // 28 rows to each sample.
    #expect(words.contains("samples (") && words.contains("rows)"), "\(timed)")
  }

  @Test("how a segment is divided does not depend on the number of workers")
  func workers() throws {
    let program = try dense(batch: [64, 28], 64, 96)
    let device = try [1, 2, 16].map { try chain(OpenBLASBackend(), workers: $0).links[0].device }
    let reports = try device.map { try $0.compile(Segment(program)).report }
    for report in reports.dropFirst() {
      #expect(report.fingerprint == reports[0].fingerprint)
      #expect(report.groupNames == reports[0].groupNames)
    }
  }

  @Test("what is watched or looked at changes no cut of anything else")
  func probes() throws {
    for shape in [([128], 784, 512), ([256], 64, 64), ([64, 28], 64, 96)] {
      let program = try dense(batch: shape.0, shape.1, shape.2)
      let plain = try groups(program)
      let watched = try dense(batch: shape.0, shape.1, shape.2, isWatched: true)
      let others = try zip(watched.calls, groups(watched)).filter { $0.0.operation.name != "statistics" }.map(\.1)
      #expect(others == plain)
      var tapped = Segment(program)
      for value in tapped.values.indices where tapped.values[value].role == .temporary {
        tapped.values[value].role = .tap
      }
      let report = try chain(OpenBLASBackend()).links[0].device.compile(tapped).report
      #expect(report.groupOfCall.map { report.groupNames[$0] } == plain)
    }
  }

  @Test("products of any extents, transposed or not, lie within the bound tile by tile and row by row")
  func products() throws {
    let (reference, openBLAS) = (try chain(ReferenceBackend()), try chain(OpenBLASBackend(), workers: 3))
    for (m, n, k) in [(97, 301, 53), (1, 700, 800), (300, 1, 400), (130, 130, 130), (7, 5, 3), (257, 129, 0)] {
      for (a, b) in [(false, false), (true, false), (false, true), (true, true)] {
        let sample = OperationSample(
          MatrixMultiplication(transposeA: a, transposeB: b),
          [.float32(a ? [k, m] : [m, k]), .float32(b ? [n, k] : [k, n])])
        let comparison = try BackendComparison(sample, on: openBLAS, reference: reference)
        #expect(comparison.verdict == .passed, "\(sample.operation) \(sample.inputs)")
      }
    }
  }

  @Test("a range of every element reaches the check of a step: one NaN anywhere forbids the update")
  func allFinite() throws {
    let counts = [3, 70_000, 1, 40_000]
    var builder = ProgramBuilder(name: "finite")
    let inputs = counts.enumerated().map { builder.input("x\($0)", .float32([$1])) }
    builder.output("allow", try builder.append(AllFinite(), inputs)[0])
    let program = builder.build()
    #expect(try groups(program)[0].contains("each operand where it is made"))
    let executor = try ProgramExecutor(program, on: try chain(OpenBLASBackend(), workers: 3), states: StateStore())
    func allows(_ input: Int, _ place: Int, _ value: Float) throws -> Bool {
      try executor.withInput("x\(input)") { $0.storeBytes(of: value, toByteOffset: 4 * place, as: Float.self) }
      try executor.run()
      return try executor.withOutput("allow") { $0[0] != 0 }
    }
    for (input, place) in [(0, 0), (0, 2), (1, 0), (1, 16_383), (1, 16_384), (1, 69_999), (2, 0), (3, 0), (3, 39_999)] {
      #expect(try !allows(input, place, .nan), "\(input) \(place)")
      #expect(try !allows(input, place, -.infinity), "\(input) \(place)")
      #expect(try allows(input, place, 1), "\(input) \(place)")
    }
  }
}

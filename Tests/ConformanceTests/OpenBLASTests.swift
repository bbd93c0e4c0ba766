import Foundation
import SwitchbackBackendKit
import SwitchbackConformance
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// What OpenBLAS leaves to others of operations that it has a kernel of, with why.
private let mayBeDeclined: [String: String] = [
  // The two `Binary` functions that mean nothing for whole numbers; no sample has them, the test below asks.
  "divide of i32": "it is not defined on the reference either",
  "power of i32": "it is not defined on the reference either",
]

private func convolutions(_ geometry: ConvolutionGeometry, _ image: [Int], _ kernel: [Int]) throws -> [OperationSample]
{
  let size = try geometry.outputSize(Array(image[1...2]), kernelSize: Array(kernel[...1]))
  let x = TensorType.float32(Shape(image))
  let w = TensorType.float32([kernel[0], kernel[1], image[3] / geometry.groups, kernel[2]])
  let y = TensorType.float32([image[0], size[0], size[1], kernel[2]])
  return [
    OperationSample(Convolution2D(geometry), [x, w]),
    OperationSample(Convolution2DBackwardInput(geometry, inputSize: Array(image[1...2])), [y, w]),
    OperationSample(Convolution2DBackwardFilter(geometry, kernelSize: Array(kernel[...1])), [x, y]),
  ]
}

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct OpenBLASTests {
  @Test("of an operation that has a kernel, every sample is taken")
  func takesAll() throws {
    let device = try chain(OpenBLASBackend()).links[0].device
    let taken = try operations(of: device).entries
    #expect(taken.contains { $0.name == "conv2d" } && taken.contains { $0.name == "adamUpdate" })
    for sample in taken.flatMap({ $0.samples }) {
      guard case .decline(let reason) = try device.query(Segment(try sample.program()))[0] else { continue }
      Issue.record("\(sample.operation) \(sample.inputs) is declined: \(reason)")
    }
  }

  @Test("what it declines has a reason: Float64, half precision, and what means nothing")
  func declines() throws {
    let device = try chain(OpenBLASBackend()).links[0].device
    func reason(_ operation: any TensorOperation, _ inputs: [TensorType]) throws -> String? {
      let verdict = try device.query(Segment(try OperationSample(operation, inputs).program()))[0]
      if case .decline(let reason) = verdict { return reason } else { return nil }
    }
    for type in [ElementType.float64, .float16, .bfloat16] {
      let tensor = TensorType(type, [3])
      #expect(try reason(Unary(.tanh), [tensor])?.contains(type.rawValue) == true)
      #expect(try reason(Concatenate(axis: 0), [tensor, tensor])?.contains(type.rawValue) == true)
    }
    for function in BinaryFunction.allCases {
      let whole = TensorType(.int32, [3])
      let isAllowed = mayBeDeclined["\(function.rawValue) of i32"] != nil
      #expect((try reason(Binary(function), [whole, whole]) != nil) == isAllowed, "\(function)")
    }
  }

  @Test("convolutions with groups, depthwise and not, lie within the bound, all three passes")
  func groupedConvolutions() throws {
    let (reference, openBLAS) = (try chain(ReferenceBackend()), try chain(OpenBLASBackend()))
    let cases: [(ConvolutionGeometry, [Int], [Int])] = [
      (ConvolutionGeometry(groups: 3), [5, 4, 6, 6], [1, 1, 9]),
      (ConvolutionGeometry(padding: [1, 1, 1, 1], groups: 37), [5, 9, 8, 37], [3, 3, 37]),
      (ConvolutionGeometry(strides: [2, 3], padding: [2, 0, 1, 3], groups: 16), [3, 9, 11, 16], [4, 3, 16]),
      (ConvolutionGeometry(padding: [2, 2, 4, 4], dilations: [2, 4], groups: 18), [2, 7, 9, 18], [3, 3, 18]),
      (ConvolutionGeometry(strides: [2, 2], padding: [0, 1, 0, 1], groups: 5), [4, 8, 8, 5], [3, 3, 15]),
      (ConvolutionGeometry(padding: [4, 4, 4, 4], groups: 2), [1, 3, 3, 2], [5, 5, 2]),
      (ConvolutionGeometry(groups: 4), [3, 5, 5, 4], [1, 1, 4]),
    ]
    for sample in try cases.flatMap({ try convolutions($0.0, $0.1, $0.2) }) {
      let comparison = try BackendComparison(sample, on: openBLAS, reference: reference)
      #expect(comparison.verdict == .passed, "\(sample.operation) \(sample.inputs)")
    }
  }

  @Test("whole numbers, Booleans and other forms that the catalogue's samples lack are as on the reference")
  func otherForms() throws {
    let (reference, openBLAS) = (try chain(ReferenceBackend()), try chain(OpenBLASBackend()))
    var samples: [OperationSample] = []
    for type in [ElementType.int32, .int64, .uint8] {
      for function in BinaryFunction.allCases where function != .divide && function != .power {
        samples.append(
          OperationSample(Binary(function), [TensorType(type, [4, 1, 5]), TensorType(type, [3, 1])], [.indices(7)]))
      }
      samples.append(
        OperationSample(
          Select(), [TensorType(.bool, [4, 1]), TensorType(type, [4, 3]), TensorType(type, [3])], [.indices(2)]))
      samples.append(
        OperationSample(Transpose(permutation: [2, 0, 1]), [TensorType(type, [3, 4, 5])], [.indices(99)]))
      samples.append(
        OperationSample(Pad(low: [1, 0], high: [0, 2], value: 3), [TensorType(type, [3, 4])], [.indices(9)]))
      samples.append(OperationSample(Gather(axis: 1), [TensorType(type, [3, 4]), .int32([5])], [.indices(4)]))
      for to in [ElementType.float32, .int32, .int64, .uint8, .bool] {
        samples.append(OperationSample(Cast(to: to), [TensorType(type, [3, 4])], [.indices(4)]))
      }
    }
    samples += [
      OperationSample(Cast(to: .bool), [.float32([9])], [.indices(2)]),
      OperationSample(Cast(to: .uint8), [.float32([9])], [.range(-300, 300)]),
      OperationSample(Cast(to: .int64), [.float32([9])], [.range(-300, 300)]),
      OperationSample(Binary(.subtract), [.float32([3]), .float32([4, 1])]),
      OperationSample(Binary(.multiply), [.float32([1, 5]), .float32([6, 5])]),
      OperationSample(Binary(.multiply), [.float32([2, 3, 4, 5]), .float32([2, 1, 1, 5])]),
      OperationSample(Reduce(.sumSquares, axes: [0]), [.float32([7, 5])]),
      OperationSample(Reduce(.mean, axes: [1, 3]), [.float32([2, 3, 4, 5])]),
      OperationSample(Reduce(.max, axes: [0, 2]), [.float32([4, 3, 5])]),
      OperationSample(Reduce(.min, axes: [1]), [.float32([4, 3, 5])]),
      OperationSample(Softmax(axis: 1), [.float32([3, 4, 37])]),
      OperationSample(SoftmaxBackward(axis: 1), [.float32([3, 4, 37]), .float32([3, 4, 37])]),
      OperationSample(Broadcast(shape: [6, 4, 3]), [.float32([4, 1])]),
      OperationSample(Statistics(histogram: true), [.float32([9, 50])], [.range(-1e-12, 1e-12)]),
      OperationSample(MatrixMultiplication(transposeB: true), [.float32([6, 2, 7, 4]), .float32([6, 2, 3, 4])]),
    ]
    for sample in samples {
      let comparison = try BackendComparison(sample, on: openBLAS, reference: reference)
      #expect(comparison.verdict == .passed, "\(sample.operation) \(sample.inputs)")
    }
  }

  @Test(
    "random numbers are the reference's, bit by bit, by rows of a batch too", arguments: RandomDistribution.allCases)
  func randomBits(distribution: RandomDistribution) throws {
    for shape in [[1], [7], [64, 33], [1000, 3], [64, 5, 1, 7]] {
      var builder = ProgramBuilder(name: "noise")
      let x = builder.input("x", .float32(Shape(shape)))
      let key = builder.step("key", TensorType(.int64, [2]))
      let noise = try builder.append(RandomNumbers(distribution, shape: shape, stream: 5), key)
      builder.output("noise", noise)
      builder.output("y", try builder.append(Binary(.add), noise, x))
      let program = builder.build()
      let values = ["x": [Double](repeating: 0, count: shape.reduce(1, *)), "key": [1_234_567_890_123, 77]]
      let truth = try ProgramEvaluation(program, values, on: try chain(ReferenceBackend())).outputs
      for workers in 1...3 {
        let found = try ProgramEvaluation(program, values, on: try chain(OpenBLASBackend(), workers: workers)).outputs
        #expect(found["noise"]!.map(\.bitPattern) == truth["noise"]!.map(\.bitPattern), "\(shape)")
        #expect(found["y"]! == truth["y"]!)
      }
    }
  }

  @Test("an index outside its axis is the reference's error, changes no state, and the next run is well")
  func wrongIndices() throws {
    var builder = ProgramBuilder(name: "labels")
    let x = builder.input("x", .float32([6, 4]))
    let labels = builder.input("labels", .int32([6]))
    let state = builder.state("w", .float32([4]))
    let table = builder.state("table", .float32([4, 3]))
    let target = try builder.append(OneHot(classes: 4), labels)
    let product = try builder.append(Binary(.multiply), x, target)
    let sum = try builder.append(Reduce(.sum, axes: [0]), product)
    builder.output("rows", try builder.append(Gather(axis: 0), table, labels))
    _ = try builder.append(Assign(), [state, sum])
    let program = builder.build()

    for workers in [1, 2, 3] {
      func message(_ backend: any ComputeBackend, _ values: [Int32]) throws -> (String, [Float]) {
        let states = StateStore()
        let executor = try ProgramExecutor(program, on: try chain(backend, workers: workers), states: states)
        func run(_ values: [Int32]) throws {
          try executor.withInput("x") { for e in 0..<24 { $0.storeBytes(of: 1, toByteOffset: 4 * e, as: Float.self) } }
          try executor.withInput("labels") { bytes in values.withUnsafeBytes { bytes.copyMemory(from: $0) } }
          try executor.run()
        }
        try run([0, 0, 0, 1, 1, 2])
        let error = #expect(throws: ExecutionError.self) { try run(values) }
        let kept = try states.withBytes(of: "w") { Array($0.bindMemory(to: Float.self)) }
        try run([0, 1, 2, 3, 0, 1])
        #expect(try states.withBytes(of: "w") { Array($0.bindMemory(to: Float.self)) } == [2, 2, 1, 1])
        return (error?.message ?? "", kept)
      }
      for values: [Int32] in [[0, 1, 2, 3, 9, 1], [0, 4, 2, -1, 9, 1], [-7, 1, 2, 3, 0, 1]] {
        let (truth, _) = try message(ReferenceBackend(), values)
        let (found, kept) = try message(OpenBLASBackend(), values)
        #expect(truth.contains("is outside the 4 classes"))
        #expect(found.replacing("openblas", with: "reference") == truth)
        #expect(kept == [3, 2, 1, 0])
      }
    }
  }

  @Test("a wrong index that is no sample's changes no state either, where nothing else keeps the two in order")
  func wrongIndexBesideAnAssignment() throws {
    var builder = ProgramBuilder(name: "rows")
    let rows = builder.input("rows", .int32([5]))
    let next = builder.input("next", .float32([3]))
    let table = builder.state("table", .float32([40, 300]))
    let state = builder.state("w", .float32([3]))
    builder.output("found", try builder.append(Gather(axis: 0), table, rows))
    _ = try builder.append(Assign(), [state, next])
    let program = builder.build()
    for workers in [1, 3] {
      let states = StateStore()
      let executor = try ProgramExecutor(program, on: try chain(OpenBLASBackend(), workers: workers), states: states)
      func run(_ rows: [Int32], next: Float) throws {
        try executor.withInput("rows") { bytes in rows.withUnsafeBytes { bytes.copyMemory(from: $0) } }
        try executor.withInput("next") {
          for e in 0..<3 { $0.storeBytes(of: next, toByteOffset: 4 * e, as: Float.self) }
        }
        try executor.run()
      }
      for turn in 0..<20 {
        try run([0, 1, 2, 3, 39], next: Float(turn))
        #expect(throws: ExecutionError.self) { try run([0, 1, 40, 3, 2], next: -1) }
        #expect(try states.withBytes(of: "w") { $0.bindMemory(to: Float.self)[0] } == Float(turn))
      }
    }
  }

  @Test(
    "one NaN makes a maximum or minimum NaN, wherever it stands", arguments: [ReduceFunction.max, .min], [[1], [0]])
  func notANumber(function: ReduceFunction, axes: [Int]) throws {
    let program = try OperationSample(Reduce(function, axes: axes), [.float32([3, 37])]).program()
    for backend in [ReferenceBackend(), OpenBLASBackend()] as [any ComputeBackend] {
      for place in 0..<37 {
        let executor = try ProgramExecutor(program, on: try chain(backend), states: StateStore())
        let name = program.values[program.values(.input)[0]].name
        try executor.withInput(name) { bytes in
          let x = bytes.bindMemory(to: Float.self)
          for e in 0..<111 { x[e] = Float(e % 7) - 3 }
          x[37 + place] = .nan
        }
        try executor.run()
        let nans = try executor.withOutput(program.outputs[0].name) { bytes in
          bytes.bindMemory(to: Float.self).enumerated().filter { $0.element.isNaN }.map(\.offset)
        }
        #expect(nans == [axes == [1] ? 1 : place], "\(backend.identity.name) \(place)")
      }
    }
  }

  @Test("the first NaN of a window is its maximum and gets its gradient, and of a line it is the largest element")
  func firstNotANumber() throws {
    // Channel c has its first NaN in cell c % 4, and one in the last.
    let channels = 19
    let values = (0..<4 * channels).map { e in
      let (cell, channel) = (e / channels, e % channels)
      return cell == channel % 4 || cell == 3 ? Double.nan : Double(cell)
    }
    let upstream = (0..<channels).map { Double($0 + 1) }
    let pooling = PoolingGeometry(poolSize: [2, 2], strides: [2, 2], padding: [0, 0, 0, 0])
    let (image, pooled) = (TensorType.float32([1, 2, 2, 19]), TensorType.float32([1, 1, 1, 19]))
    for backend in [ReferenceBackend(), OpenBLASBackend()] as [any ComputeBackend] {
      func result(_ operation: any TensorOperation, _ types: [TensorType], _ values: [Double]...) throws -> [Double] {
        let operands = Dictionary(uniqueKeysWithValues: values.enumerated().map { ("x\($0)", $1) })
        let program = try OperationSample(operation, types).program()
        return try ProgramEvaluation(program, operands, on: chain(backend)).outputs["y0"] ?? []
      }
      #expect(try result(MaxPool2D(pooling), [image], values).allSatisfy(\.isNaN))
      let gradient = try result(MaxPool2DBackward(pooling), [image, pooled], values, upstream)
      #expect(gradient == values.indices.map { $0 / channels == $0 % channels % 4 ? upstream[$0 % channels] : 0 })
      let places = (0..<channels).map { Double($0 % 4) }
      #expect(try result(ArgMax(axis: 0), [.float32([4, 19])], values) == places)
      let turned = (0..<channels).flatMap { channel in (0..<4).map { values[$0 * channels + channel] } }
      #expect(try result(ArgMax(axis: 1), [.float32([19, 4])], turned) == places)
    }
  }

  /// The instruction sets of this CPU by the kernel's own word, not by the compiler's builtin that the backend uses.
  private static let flags: Set<String> = {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("flags") } ?? ""
    return Set(line.split(separator: " ").map(String.init))
  }()

  /// OpenBLAS's cores for x86 that use AVX-512, and those that use AVX2 with FMA.
  private static let (wide, middle) = (
    ["SkylakeX", "Cooperlake", "SapphireRapids"], ["Haswell", "Zen", "Excavator"]
  )

  private func isBelowCPU(_ core: String) -> Bool {
    if Self.flags.isSuperset(of: ["avx512f", "avx512bw", "avx512dq", "avx512vl"]) { return !Self.wide.contains(core) }
    if Self.flags.isSuperset(of: ["avx2", "fma"]) { return !(Self.wide + Self.middle).contains(core) }
    return false
  }

  @Test("OpenBLAS's core is not below what the CPU can do, and it is shown")
  func core() throws {
    let driver = try OpenBLASBackend().devices()[0].driver
    let core = driver.components(separatedBy: ", kernels ")[1].components(separatedBy: ",")[0]
    #expect(!isBelowCPU(core), "\(driver)")
    // Debian's OpenBLAS 0.3.21 takes newer Intel processors for this one.
    if Self.flags.contains("avx2") { #expect(isBelowCPU("Prescott")) }
  }
}

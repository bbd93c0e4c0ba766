import SwitchbackConformance
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// A convolution whose results are pooled, and its gradients.
private struct Block: CustomStringConvertible {
  /// What makes it no pair of halves.
  enum Obstacle: CaseIterable {
    case reluReadAgain, ungatedReadAgain, gatedReadAgain, otherPooling, twoFilterGradients, otherOperand, updatedKernel
  }

  var image = [5, 9, 8, 24]
  var filters = 33
  var geometry = ConvolutionGeometry()
  var kernelSize = [3, 3]
  var pooling = PoolingGeometry(poolSize: [2, 2])
  var hasBias = true
  var hasRelu = true
  /// Numbers of x by their place, in place of those from −1 to 1; a bias.
  var planted: [Int: Float] = [:]
  var bias: Float?

  var description: String {
    "\(image) filters \(filters) kernel \(kernelSize) strides \(geometry.strides) padding \(geometry.padding) "
      + "pool \(pooling.poolSize) by \(pooling.strides) \(hasBias ? "bias" : "") \(hasRelu ? "relu" : "")"
  }

  /// A program with what `onlooker` sees of it, and the numbers of the values between.
  func program(_ onlooker: Onlooker = .nobody, _ obstacle: Obstacle? = nil, isTrained: Bool = true) throws -> Seen {
    var builder = ProgramBuilder(name: "block")
    let x = try builder.append(Unary(.negate), builder.input("x", .float32(Shape(image))))
    let kernel = builder.state("kernel", .float32([kernelSize[0], kernelSize[1], image[3] / geometry.groups, filters]))
    var between = [try builder.append(Convolution2D(geometry), x, kernel)]
    if hasBias {
      between.append(try builder.append(Binary(.add), between.last!, builder.state("bias", .float32([filters]))))
    }
    if hasRelu { between.append(try builder.append(Unary(.relu), between.last!)) }
    let last = between.last!
    let pooled = try builder.append(MaxPool2D(pooling), last)
    builder.output("y", pooled)
    if isTrained {
      let dy = builder.input("dy", pooled.type)
      let back = obstacle == .otherPooling ? PoolingGeometry(poolSize: [1, 1]) : pooling
      let upstream = obstacle == .otherPooling ? builder.input("other", last.type) : dy
      if obstacle == .updatedKernel {
        let (step, allow) = (builder.input("step", kernel.type), builder.input("allow", TensorType(.bool, [])))
        try builder.append(SGDUpdate(), [kernel, step, builder.step("rate", .float32([])), allow])
      }
      between.append(try builder.append(MaxPool2DBackward(back), last, upstream))
      if obstacle == .ungatedReadAgain { builder.output("again", try builder.append(Unary(.tanh), between.last!)) }
      if hasRelu { between.append(try builder.append(UnaryBackward(.relu), last, between.last!)) }
      let gated = between.last!
      if hasBias { builder.output("dbias", try builder.append(Reduce(.sum, axes: [0, 1, 2]), gated)) }
      let operand = obstacle == .otherOperand ? builder.input("z", x.type) : x
      let filter = Convolution2DBackwardFilter(geometry, kernelSize: kernelSize)
      builder.output("dkernel", try builder.append(filter, operand, gated))
      if obstacle == .twoFilterGradients { builder.output("again", try builder.append(filter, operand, gated)) }
      let input = Convolution2DBackwardInput(geometry, inputSize: Array(image[1...2]))
      builder.output("dx", try builder.append(input, gated, kernel))
      if obstacle == .gatedReadAgain { builder.output("again", try builder.append(Unary(.tanh), gated)) }
    }
    if obstacle == .reluReadAgain { builder.output("again", try builder.append(Unary(.negate), last)) }
    let taps = try onlooker.look(at: between, in: &builder)
    return Seen(program: builder.build(), between: between.map(\.id), taps: taps)
  }
}

private struct Seen {
  var program: Program
  var between: [Int]
  var taps: Set<Int>

  /// What became one work, and the numbers of outputs by name and of what is looked at in full.
  func run(_ block: Block, workers: Int = 2) throws -> (groups: [String], outputs: [String: [Float]], seen: [[Float]]) {
    let states = StateStore()
    let executor = try ProgramExecutor(
      program, on: try chain(OpenBLASBackend(), workers: workers), states: states, taps: taps)
    func fill(_ bytes: UnsafeMutableRawBufferPointer, _ value: Program.ValueInfo) {
      guard value.type.elementType == .float32 else {
        return bytes.copyBytes(from: repeatElement(0, count: bytes.count))
      }
      let philox = Philox(seed: value.name.utf8.reduce(7) { $0 &* 31 &+ Int64($1) })
      for element in 0..<value.type.shape.elementCount {
        // Eighths, so that there are ties.
        let bits = philox.bits(block: element, stream: 0, step: 0)[0]
        var number = value.name == "x" ? Float(bits >> 28) / 8 - 1 : Float(bits >> 8) / Float(1 << 23) - 1
        if value.name == "x", let planted = block.planted[element] { number = planted }
        if value.name == "bias", let bias = block.bias { number = bias }
        bytes.storeBytes(of: number, toByteOffset: 4 * element, as: Float.self)
      }
    }
    for id in program.values.indices {
      let value = program.values[id]
      switch value.role {
      case .temporary: continue
      case .state: try states.withMutableBytes(of: value.name) { fill($0, value) }
      case .input, .step: try executor.withInput(value.name) { fill($0, value) }
      }
    }
    try executor.run()
    var outputs: [String: [Float]] = [:]
    for name in ["y", "dbias", "dkernel", "dx"] where program.outputs.contains(where: { $0.name == name }) {
      outputs[name] = try executor.withOutput(name) { Array($0.bindMemory(to: Float.self)) }
    }
    let isShown = !taps.isEmpty || program.outputs.contains { $0.name.hasPrefix("shows") }
    let seen = try (isShown ? between : []).map { id in
      try executor.withValue(id) { Array($0.bindMemory(to: Float.self)) }
    }
    return (executor.plan.reports.flatMap(\.groupNames), outputs, seen)
  }
}

private func bits(_ numbers: [Float]) -> [UInt32] { numbers.map { $0.isNaN ? 0x7fc0_0000 : $0.bitPattern } }

private let padded = ConvolutionGeometry(strides: [2, 1], padding: [1, 1, 2, 2])
private let overlapping = PoolingGeometry(poolSize: [3, 3], strides: [2, 2], padding: [1, 0, 1, 1])

/// By lists, by look-ups and by dense kernels, with rests of filters and rows that no window sees.
private let blocks = [
  Block(), Block(image: [61, 6, 5, 1], filters: 17), Block(image: [1, 13, 13, 32], filters: 64),
  Block(image: [0, 6, 5, 16]), Block(image: [3, 9, 10, 9], geometry: padded, kernelSize: [3, 4]),
  Block(image: [4, 11, 9, 17], filters: 17, pooling: overlapping),
  Block(image: [2, 9, 9, 8], pooling: PoolingGeometry(poolSize: [3, 3])),
  Block(image: [2, 9, 9, 8], pooling: PoolingGeometry(poolSize: [2, 3], strides: [3, 1])),
  Block(hasBias: false), Block(hasRelu: false), Block(hasBias: false, hasRelu: false),
  Block(image: [3, 8, 8, 6], filters: 40, geometry: ConvolutionGeometry(dilations: [2, 2], groups: 2)),
  // Few taps: pooled in registers, and winners looked up.
  Block(image: [5, 11, 12, 1], filters: 32), Block(image: [4, 13, 12, 3], filters: 40, geometry: padded),
  Block(image: [3, 10, 9, 1], filters: 16, geometry: ConvolutionGeometry(padding: [1, 1, 1, 1]), hasBias: false),
  Block(image: [3, 12, 12, 1], filters: 48, kernelSize: [5, 5], hasRelu: false),
  Block(image: [2, 21, 20, 1], filters: 8, geometry: ConvolutionGeometry(strides: [2, 2])),
  // Window by window in registers; of the first, by Winograd's tiles, nobody reads the last row and column.
  Block(image: [2, 13, 13, 32], filters: 64),
  Block(
    image: [2, 8, 9, 16], filters: 40, geometry: ConvolutionGeometry(padding: [1, 1, 1, 1]), pooling: overlapping),
  Block(image: [2, 9, 9, 40], filters: 8, kernelSize: [5, 5]),
  // Products by OpenBLAS.
  Block(image: [7, 9, 8, 40], filters: 9),
]

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct ConvolutionFusionTests {
  @Test(
    "a convolution, its pooling and their gradients are two works, and whoever looks changes no bit", arguments: blocks)
  fileprivate func fires(block: Block) throws {
    let alone = try block.program().run(block)
    let forward = ["conv2d", block.hasBias ? "binary" : nil, block.hasRelu ? "unary" : nil, "maxPool2d"]
    let backward = [
      "maxPool2d/backward", block.hasRelu ? "unary/backward" : nil, block.hasBias ? "reduce" : nil,
      "conv2d/backwardFilter", "conv2d/backwardInput",
    ]
    for onlooker in Onlooker.allCases {
      for workers in [1, 3] {
        let run = try block.program(onlooker).run(block, workers: workers)
        for half in [forward, backward] {
          let name = half.compactMap { $0 }.joined(separator: " + ")
          #expect(run.groups.contains { $0 == name || $0.hasPrefix(name + " · ") }, "\(run.groups)")
        }
        for (name, numbers) in alone.outputs {
          #expect(bits(numbers) == bits(try #require(run.outputs[name])), "\(name), \(onlooker)")
        }
      }
    }
  }

  @Test("a first layer is pooled in registers, however many filters it has", arguments: [1, 8, 17, 32])
  func anyFilters(count: Int) throws {
    let block = Block(image: [5, 12, 12, 1], filters: count)
    let run = try block.program().run(block)
    #expect(run.groups.contains { $0.hasPrefix("conv2d") && $0.contains("pooled in registers") }, "\(run.groups)")
  }

  @Test("what is looked at is what the calls make alone, and the results lie near", arguments: blocks)
  fileprivate func values(block: Block) throws {
    let unfused = try block.program(.taps, .reluReadAgain).run(block)
    #expect(unfused.groups.allSatisfy { !$0.hasPrefix("maxPool2d/backward +") }, "\(unfused.groups)")
    for onlooker in [Onlooker.taps, .host] {
      let fused = try block.program(onlooker).run(block)
      for (mine, other) in zip(fused.seen, unfused.seen) { #expect(mine == other) }
      for (name, numbers) in unfused.outputs {
        let largest = numbers.map(abs).max() ?? 0
        let mine = try #require(fused.outputs[name])
        #expect(zip(mine, numbers).allSatisfy { abs($0 - $1) <= 1e-5 * largest }, "\(name)")
      }
    }
  }

  @Test(
    "NaN and infinities come out where they come out of the calls alone", arguments: blocks.filter { $0.image[0] > 1 })
  fileprivate func specialValues(block: Block) throws {
    let (count, pixels) = (block.image.reduce(1, *), block.image[1] * block.image[2] * block.image[3])
    // Of the first image a pixel in the middle, of the second one that only unread results see, of the last all.
    var last: [Int: Float] = [:]
    for place in count - pixels..<count { last[place] = .infinity }
    let cases: [(planted: [Int: Float], bias: Float?)] = [
      ([pixels / 2: .nan], nil), ([pixels / 2: .infinity], nil), ([2 * pixels - 1: .nan], nil),
      ([2 * pixels - 1: -.infinity], nil), (last, nil), ([:], -.infinity), ([:], .nan), ([:], .infinity), ([:], -100),
    ]
    for (planted, bias) in cases {
      var block = block
      (block.planted, block.bias) = (planted, bias)
      let unfused = try block.program(.nobody, .reluReadAgain).run(block)
      for onlooker in [Onlooker.nobody, .taps] {
        let fused = try block.program(onlooker).run(block)
        for (name, numbers) in unfused.outputs {
          let mine = try #require(fused.outputs[name])
          let wrong = zip(mine, numbers).filter { $0.isNaN != $1.isNaN || $0.isInfinite != $1.isInfinite }
          #expect(wrong.isEmpty, "\(name) \(planted.first as Any) \(bias as Any) \(wrong.count): \(wrong.first as Any)")
        }
      }
    }
  }

  @Test(
    "a value between that something else reads, another pooling or another operand: no pair",
    arguments: Block.Obstacle.allCases)
  fileprivate func mustNot(obstacle: Block.Obstacle) throws {
    let groups = try Block().program(.nobody, obstacle).run(Block()).groups
    #expect(groups.allSatisfy { !$0.hasPrefix("maxPool2d/backward +") }, "\(groups)")
    // The forward calls go on alone.
    #expect(groups.contains { $0.hasPrefix("conv2d + binary + unary") }, "\(groups)")
  }

  @Test("inference fuses too, with the bits of training, and ends where something else reads")
  func inference() throws {
    for block in blocks {
      let trained = try block.program().run(block)
      let alone = try block.program(isTrained: false).run(block)
      #expect(try bits(#require(alone.outputs["y"])) == bits(#require(trained.outputs["y"])), "\(block)")
      #expect(alone.groups.contains { $0.hasPrefix("conv2d +") && $0.contains("maxPool2d") }, "\(alone.groups)")
    }
    let shared = try Block().program(.nobody, .reluReadAgain, isTrained: false).run(Block())
    #expect(shared.groups.contains { $0.hasPrefix("conv2d + binary + unary") }, "\(shared.groups)")
    #expect(shared.groups.contains { $0.hasPrefix("maxPool2d") }, "\(shared.groups)")
  }

  @Test("any activation is computed with the convolution, one whose gradient reads its operand is not")
  func activations() throws {
    for function in [UnaryFunction.tanh, .swish, .leakyRelu] {
      for isRead in [false, true] {
        var builder = ProgramBuilder(name: "activation")
        let x = builder.input("x", .float32([9, 6, 5, 8]))
        let product = try builder.append(Convolution2D(), x, builder.state("kernel", .float32([3, 3, 8, 16])))
        let sum = try builder.append(Binary(.add), product, builder.state("bias", .float32([16])))
        builder.output("y", try builder.append(Unary(function, alpha: 0.3), sum))
        if isRead { builder.output("z", try builder.append(Unary(.negate), sum)) }
        let seen = Seen(program: builder.build(), between: [], taps: [])
        let groups = try seen.run(Block()).groups
        let name = isRead ? "conv2d + binary" : "conv2d + binary + unary"
        #expect(groups.contains { $0 == name || $0.hasPrefix(name + " · ") }, "\(groups)")
      }
    }
  }
}

import SwitchbackPrograms

/// Convolution, bias, relu, max pooling and all their gradients: what a backend may make two kernels of, which hand each
/// other winners.
extension ChainPrograms {
  struct Block {
    var image = [61, 7, 6, 24]
    var filters = 33
    var geometry = ConvolutionGeometry()
    var kernel = [3, 3]
    var pooling = PoolingGeometry(poolSize: [2, 2])
    var hasBias = true
    var hasRelu = true
    var isTrained = true
    /// Whether a half of the gradient behind the pooling are zeros.
    var hasZeros = false
    /// Whether somebody looks at the gradient between the pooling and the convolution.
    var isWatched = false

    /// Rows and columns that no window sees, ties between zeros, windows that overlap.
    func program() throws(ProgramError) -> ProgramBuilder {
      var builder = ProgramBuilder(name: "block")
      // Made here, so that a result may take its place; a half of it are zeros.
      let x = try builder.append(Unary(.relu), builder.input("x", .float32(Shape(image))))
      let kernel = builder.state("kernel", .float32([kernel[0], kernel[1], image[3], filters]))
      var last = try builder.append(Convolution2D(geometry), x, kernel)
      if hasBias { last = try builder.append(Binary(.add), last, builder.state("bias", .float32([filters]))) }
      if hasRelu { last = try builder.append(Unary(.relu), last) }
      let pooled = try builder.append(MaxPool2D(pooling), last)
      builder.output("y", pooled)
      guard isTrained else { return builder }
      var dy = builder.input("dy", pooled.type)
      if hasZeros { dy = try builder.append(Unary(.relu), dy) }
      var gradient = try builder.append(MaxPool2DBackward(pooling), last, dy)
      if hasRelu { gradient = try builder.append(UnaryBackward(.relu), last, gradient) }
      if isWatched { builder.output("gradient", gradient) }
      if hasBias { builder.output("dbias", try builder.append(Reduce(.sum, axes: [0, 1, 2]), gradient)) }
      let filter = Convolution2DBackwardFilter(geometry, kernelSize: self.kernel)
      builder.output("dkernel", try builder.append(filter, x, gradient))
      let input = Convolution2DBackwardInput(geometry, inputSize: Array(image[1...2]))
      builder.output("dx", try builder.append(input, gradient, kernel))
      return builder
    }
  }

  static func pooledBlocks(isQuick: Bool) throws(ProgramError) -> [(name: String, replay: ReplayFile)] {
    let overlapping = PoolingGeometry(poolSize: [3, 3], strides: [2, 2], padding: [1, 1, 1, 0])
    var blocks: [(String, Block)] = [
      (", overlapping windows", Block(image: [17, 8, 9, 16], filters: 40, pooling: overlapping)),
      (", overlapping windows of few channels", Block(image: [17, 8, 9, 3], filters: 40, pooling: overlapping)),
      ("", Block()), (" without gradients", Block(isTrained: false)),
      (", one channel", Block(image: [61, 9, 8, 1], filters: 17)),
      (
        ", few taps",
        Block(image: [61, 9, 8, 3], filters: 40, geometry: ConvolutionGeometry(padding: [1, 1, 1, 1]))
      ),
      (
        ", windows that begin above the image",
        Block(image: [17, 10, 9, 3], pooling: PoolingGeometry(poolSize: [2, 2], padding: [1, 0, 0, 0]))
      ),
      (", 96 filters", Block(image: [17, 6, 7, 16], filters: 96, hasZeros: true)),
      (", two channels", Block(image: [17, 9, 8, 2], filters: 40)),
      (", taps below each other", Block(image: [17, 9, 8, 5], filters: 40, kernel: [3, 1])),
      (", one window", Block(image: [17, 4, 4, 1], filters: 12)),
    ]
    if !isQuick {
      blocks += [
        (", no bias", Block(hasBias: false)), (", no relu", Block(hasRelu: false)),
        (
          ", strides and padding",
          Block(
            image: [17, 12, 11, 9], geometry: ConvolutionGeometry(strides: [2, 1], padding: [1, 0, 2, 1]),
            kernel: [3, 4])
        ),
        (", one image", Block(image: [1, 13, 13, 32], filters: 64)),
      ]
    }
    var programs: [(String, ReplayFile)] = []
    for (words, block) in blocks {
      programs.append(("convolution, bias, relu, max pooling" + words, replay(try block.program())))
    }
    for (words, block) in [
      ("", Block()), (", few taps", Block(image: [61, 7, 6, 1], filters: 32)), (", watched", Block(isWatched: true)),
    ] {
      var special = replay(try block.program())
      special.plantSpecialValues()
      programs.append(("convolution, bias, relu, max pooling\(words), special values among the operands", special))
    }
    return programs
  }
}

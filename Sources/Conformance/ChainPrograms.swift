public import SwitchbackPrograms

/// Programs around the chains that backends make one kernel of. In each place of a chain there is a second reader once,
/// and operands lie where results of the chain may come to lie. 61 rows, 17, 33, 40 and 96 columns and 600 terms leave a
/// rest whatever the block is.
public enum ChainPrograms {
  /// In a quick run one of each kind, of which two are looked into.
  public static func all(isQuick: Bool) throws(ProgramError) -> [SegmentProgram] {
    let looked = ["product, bias, relu", "convolution, bias, relu"]
    return try programs(isQuick: isQuick).map { name, replay in
      // Where a block begins shows in the one value that lies there.
      let isLarge = name.hasPrefix("large")
      return SegmentProgram(name, replay, tapCount: isQuick && !isLarge ? (looked.contains(name) ? 2 : 0) : .max)
    }
  }

  private static func programs(isQuick: Bool) throws(ProgramError) -> [(name: String, replay: ReplayFile)] {
    var programs = try forward(isQuick: isQuick) + backward(isQuick: isQuick)
    programs += try pooling() + pooledBlocks(isQuick: isQuick) + residuals() + residualsOfStrides()
    programs += try withoutBias() + kernelsInTwoFormats() + large() + normalizations(isQuick: isQuick)
    programs += try [
      groups(), sumWithItself(), updatedKernel(isConvolution: false), updatedKernel(isConvolution: true),
      updatedWithinChain(), chainsInTurns(), productsOfAStack(),
    ]
    programs += try stepEnds()
    return programs
  }

  enum Product: String, CaseIterable {
    case product, longProduct = "product of 600 terms", convolution
  }

  /// What a second operation reads besides the chain.
  enum Reader: String, CaseIterable {
    case none = "", product = ", the product read twice", sum = ", the sum read twice", last = ", the relu read twice"
  }

  // MARK: A product, a bias, a relu

  private static func forward(isQuick: Bool) throws(ProgramError) -> [(name: String, replay: ReplayFile)] {
    var programs: [(String, ReplayFile)] = []
    for product in Product.allCases {
      for hasBias in [true, false] {
        let words = "\(product.rawValue)\(hasBias ? ", bias" : ""), relu"
        for reader in Reader.allCases where hasBias || reader != .sum {
          programs.append((words + reader.rawValue, try chain(product, hasBias: hasBias, reader)))
        }
        var replay = try chain(product, hasBias: hasBias, .none)
        replay.plantSpecialValues()
        programs.append((words + ", special values among the operands", replay))
      }
      for columns in isQuick ? [33] : [17, 33, 96] {
        let name = "\(product.rawValue), bias, relu; \(columns) columns"
        programs.append((name, try chain(product, hasBias: true, .none, columns: columns)))
      }
      guard !isQuick else { continue }
      for rows in [1, 64, 250] {
        let name = "\(product.rawValue), bias, relu; \(rows) rows"
        programs.append((name, try chain(product, hasBias: true, .none, rows: rows)))
      }
    }
    return programs
  }

  private static func chain(
    _ product: Product, hasBias: Bool, _ reader: Reader, rows: Int = 61, columns: Int = 40
  ) throws(ProgramError) -> ReplayFile {
    var builder = ProgramBuilder(name: "chain")
    let terms = product == .longProduct ? 600 : 40
    let isConvolution = product == .convolution
    let x = builder.input("x", .float32(isConvolution ? [rows, 4, 3, 24] : [rows, terms]))
    let kernel = builder.state("kernel", .float32(isConvolution ? [3, 3, 24, columns] : [terms, columns]))
    let bias = builder.state("bias", .float32([columns]))
    let further = builder.state("further", .float32(isConvolution ? [1, 1, columns, 17] : [columns, 17]))
    func multiply(_ x: Value, _ w: Value, _ padding: Int) throws(ProgramError) -> Value {
      isConvolution
        ? try builder.append(Convolution2D(ConvolutionGeometry(padding: [padding, padding, padding, padding])), x, w)
        : try builder.append(MatrixMultiplication(), x, w)
    }
    // What goes in is made here, so that its memory is free for a result once it is read.
    let made = try builder.append(Unary(.relu), x)
    let multiplied = try multiply(made, kernel, 1)
    let sum = hasBias ? try builder.append(Binary(.add), multiplied, bias) : multiplied
    let last = try builder.append(Unary(.relu), sum)
    builder.output("y", try multiply(last, further, 0))
    switch reader {
    case .none: break
    case .product: builder.output("z", try multiply(multiplied, further, 0))
    case .sum: builder.output("z", try multiply(sum, further, 0))
    case .last: builder.output("z", try multiply(last, further, 0))
    }
    return replay(builder)
  }

  // MARK: Their gradients

  private static func backward(isQuick: Bool) throws(ProgramError) -> [(name: String, replay: ReplayFile)] {
    var programs: [(String, ReplayFile)] = []
    for rows in isQuick ? [61] : [1, 61, 250] {
      programs.append(("gradients of product, bias, relu; \(rows) rows", try productGradients(rows: rows)))
      programs.append(("gradients of convolution, bias, relu; \(rows) images", try convolutionGradients(rows: rows)))
    }
    let strided = try convolutionGradients(rows: 61, strides: [2, 3])
    var special = strided
    special.plantSpecialValues()
    special.values["kernel"]?[2] = .infinity
    programs.append(("gradients of convolution of strides 2 and 3, bias, relu", strided))
    programs.append(("gradients of a strided convolution, bias, relu, special values among the operands", special))
    programs.append(("gradients of product, bias, relu; 530 rows", try productGradients(rows: 530)))
    return programs
  }

  private static func productGradients(rows: Int) throws(ProgramError) -> ReplayFile {
    var builder = ProgramBuilder(name: "gradients")
    let (x, dy) = (builder.input("x", .float32([rows, 33])), builder.input("dy", .float32([rows, 40])))
    let y = builder.input("y", .float32([rows, 40]))
    let kernel = builder.state("kernel", .float32([33, 40]))
    let gate = try builder.append(UnaryBackward(.relu), y, dy)
    builder.output("dbias", try builder.append(Reduce(.sum, axes: [0]), gate))
    builder.output("dkernel", try builder.append(MatrixMultiplication(transposeA: true), x, gate))
    builder.output("dx", try builder.append(MatrixMultiplication(transposeB: true), gate, kernel))
    return replay(builder)
  }

  private static func convolutionGradients(rows: Int, strides: [Int] = [1, 1]) throws(ProgramError) -> ReplayFile {
    var builder = ProgramBuilder(name: "gradients")
    let (size, channels) = strides == [1, 1] ? ([6, 5], 3) : ([4 * strides[0] + 3, 6 * strides[1] + 3], 24)
    let results: Shape = strides == [1, 1] ? [rows, 4, 3, 40] : [rows, 5, 7, 40]
    let x = builder.input("x", .float32(Shape([rows] + size + [channels])))
    let (dy, y) = (builder.input("dy", .float32(results)), builder.input("y", .float32(results)))
    let kernel = builder.state("kernel", .float32([3, 3, channels, 40]))
    let geometry = ConvolutionGeometry(strides: strides)
    let gate = try builder.append(UnaryBackward(.relu), y, dy)
    builder.output("dbias", try builder.append(Reduce(.sum, axes: [0, 1, 2]), gate))
    builder.output("dkernel", try builder.append(Convolution2DBackwardFilter(geometry, kernelSize: [3, 3]), x, gate))
    builder.output("dx", try builder.append(Convolution2DBackwardInput(geometry, inputSize: size), gate, kernel))
    return replay(builder)
  }

  // MARK: One value, two consumers

  /// Poolings of one value with other geometry, forward and backward: what is kept of one is nothing for the other.
  private static func pooling() throws(ProgramError) -> [(name: String, replay: ReplayFile)] {
    var builder = ProgramBuilder(name: "pooling")
    let x = builder.input("x", .float32([61, 7, 6, 3]))
    let kernel = builder.state("kernel", .float32([3, 3, 3, 17]))
    let bias = builder.state("bias", .float32([17]))
    let geometry = ConvolutionGeometry()
    let sum = try builder.append(Binary(.add), builder.append(Convolution2D(geometry), x, kernel), bias)
    let gate = try builder.append(Unary(.relu), sum)
    var gradients: [Value] = []
    for (index, size) in [[2, 2], [3, 2], [2, 2]].enumerated() {
      let pooling = PoolingGeometry(poolSize: size, strides: index == 2 ? [1, 1] : [2, 2])
      let pooled = try builder.append(MaxPool2D(pooling), gate)
      builder.output("y\(index)", pooled)
      let dy = builder.input("dy\(index)", pooled.type)
      gradients.append(try builder.append(MaxPool2DBackward(pooling), gate, dy))
    }
    let both = try builder.append(Binary(.add), builder.append(Binary(.add), gradients[0], gradients[1]), gradients[2])
    let dgate = try builder.append(UnaryBackward(.relu), gate, both)
    builder.output("dkernel", try builder.append(Convolution2DBackwardFilter(geometry, kernelSize: [3, 3]), x, dgate))
    return [("convolution, bias, relu, three poolings of one value, and their gradients", replay(builder))]
  }

  /// Kernels that two operations read, each in a form of its own: what is packed for one is nothing for the other.
  private static func kernelsInTwoFormats() throws(ProgramError) -> [(name: String, replay: ReplayFile)] {
    var products = ProgramBuilder(name: "formats")
    let (x, dy) = (products.input("x", .float32([61, 40])), products.input("dy", .float32([61, 40])))
    let kernel = products.state("kernel", .float32([40, 40]))
    products.output("y", try products.append(MatrixMultiplication(), x, kernel))
    products.output("dx", try products.append(MatrixMultiplication(transposeB: true), dy, kernel))

    var convolutions = ProgramBuilder(name: "formats")
    let image = convolutions.input("x", .float32([61, 5, 4, 17]))
    let filter = convolutions.state("kernel", .float32([3, 3, 17, 17]))
    let (plain, padded) = (ConvolutionGeometry(), ConvolutionGeometry(padding: [1, 1, 1, 1]))
    convolutions.output("y", try convolutions.append(Convolution2D(plain), image, filter))
    let same = try convolutions.append(Convolution2D(padded), image, filter)
    convolutions.output(
      "dx", try convolutions.append(Convolution2DBackwardInput(padded, inputSize: [5, 4]), same, filter))
    return [
      ("a kernel read in two formats by products", replay(products)),
      ("a kernel read in two formats by convolutions", replay(convolutions)),
    ]
  }

  /// A weight that is read, updated and read again: what is kept of it is of before.
  private static func updatedKernel(isConvolution: Bool) throws(ProgramError) -> (name: String, replay: ReplayFile) {
    var builder = ProgramBuilder(name: "update")
    let x = builder.input("x", .float32(isConvolution ? [17, 5, 4, 3] : [61, 40]))
    let type = TensorType.float32(isConvolution ? [3, 3, 3, 17] : [40, 33])
    let (kernel, gradient) = (builder.state("kernel", type), builder.input("dkernel", type))
    let rate = builder.step("learningRate", .float32([]))
    func multiply() throws(ProgramError) -> Value {
      isConvolution
        ? try builder.append(Convolution2D(), x, kernel) : try builder.append(MatrixMultiplication(), x, kernel)
    }
    builder.output("before", try multiply())
    let isFinite = try builder.append(AllFinite(), gradient)
    try builder.append(SGDUpdate(), [kernel, gradient, rate, isFinite])
    builder.output("after", try multiply())
    return (
      "a kernel of a \(isConvolution ? "convolution" : "product") read before and after its update", replay(builder)
    )
  }

  // MARK: Chains whose calls stand apart

  /// A kernel is replaced between a product and its bias, and the bias before it is added: a kernel of the whole chain
  /// stands before the one update and behind the other.
  private static func updatedWithinChain() throws(ProgramError) -> (name: String, replay: ReplayFile) {
    var builder = ProgramBuilder(name: "update")
    let x = builder.input("x", .float32([61, 40]))
    let (kernel, bias) = (builder.state("kernel", .float32([40, 33])), builder.state("bias", .float32([33])))
    let rate = builder.step("learningRate", .float32([]))
    let (dkernel, dbias) = (builder.input("dkernel", kernel.type), builder.input("dbias", bias.type))
    let product = try builder.append(MatrixMultiplication(), x, kernel)
    let isFinite = try builder.append(AllFinite(), dkernel)
    for (state, gradient) in [(kernel, dkernel), (bias, dbias)] {
      try builder.append(SGDUpdate(), [state, gradient, rate, isFinite])
    }
    builder.output("y", try builder.append(Unary(.relu), builder.append(Binary(.add), product, bias)))
    return ("product, bias, relu; both weights updated before the bias is added", replay(builder))
  }

  /// Two chains of which now the one and now the other goes on, with the biases made when both products are there.
  private static func chainsInTurns() throws(ProgramError) -> (name: String, replay: ReplayFile) {
    var builder = ProgramBuilder(name: "turns")
    let x = builder.input("x", .float32([61, 40]))
    let kernels = [builder.state("kernel", .float32([40, 33])), builder.state("further", .float32([40, 33]))]
    let biases = [builder.state("bias", .float32([33])), builder.state("furtherBias", .float32([33]))]
    var chains: [Value] = []
    for kernel in kernels { chains.append(try builder.append(MatrixMultiplication(), x, kernel)) }
    for (index, bias) in biases.enumerated() {
      chains[index] = try builder.append(Binary(.add), chains[index], builder.append(Unary(.tanh), bias))
    }
    for index in chains.indices {
      builder.output("y\(index)", try builder.append(Unary(.relu), chains[index]))
    }
    return ("two chains of product, bias, relu in turns", replay(builder))
  }

  // MARK: Residual additions, groups

  /// Each group has filters and a bias of its own.
  private static func groups() throws(ProgramError) -> (name: String, replay: ReplayFile) {
    var builder = ProgramBuilder(name: "groups")
    let x = builder.input("x", .float32([61, 4, 3, 6]))
    let (kernel, bias) = (builder.state("kernel", .float32([3, 3, 2, 51])), builder.state("bias", .float32([51])))
    let geometry = ConvolutionGeometry(padding: [1, 1, 1, 1], groups: 3)
    let sum = try builder.append(Binary(.add), builder.append(Convolution2D(geometry), x, kernel), bias)
    builder.output("y", try builder.append(Unary(.relu), sum))
    return ("convolution in three groups, bias, relu", replay(builder))
  }

  private static func sumWithItself() throws(ProgramError) -> (name: String, replay: ReplayFile) {
    var builder = ProgramBuilder(name: "twice")
    let (x, kernel) = (builder.input("x", .float32([61, 40])), builder.state("kernel", .float32([40, 33])))
    let product = try builder.append(MatrixMultiplication(), x, kernel)
    builder.output("y", try builder.append(Unary(.relu), builder.append(Binary(.add), product, product)))
    return ("product, its sum with itself, relu", replay(builder))
  }

  private static func residuals() throws(ProgramError) -> [(name: String, replay: ReplayFile)] {
    var programs: [(String, ReplayFile)] = []
    for isConvolution in [false, true] {
      for isRead in [false, true] {
        var builder = ProgramBuilder(name: "residual")
        let x = builder.input("x", .float32(isConvolution ? [61, 4, 3, 17] : [61, 40]))
        let kernel = builder.state("kernel", .float32(isConvolution ? [3, 3, 17, 17] : [40, 40]))
        let bias = builder.state("bias", .float32([isConvolution ? 17 : 40]))
        let geometry = ConvolutionGeometry(padding: [1, 1, 1, 1])
        // Made here, so that a result may take its place.
        let shortcut = try builder.append(Unary(.tanh), x)
        let product =
          isConvolution
          ? try builder.append(Convolution2D(geometry), shortcut, kernel)
          : try builder.append(MatrixMultiplication(), shortcut, kernel)
        let sum = try builder.append(Binary(.add), product, bias)
        // What is read again stands first, where an addition in place would write.
        let joined = try builder.append(Binary(.add), isRead ? [shortcut, sum] : [sum, shortcut])[0]
        builder.output("y", try builder.append(Unary(.relu), joined))
        if isRead { builder.output("z", try builder.append(Binary(.add), shortcut, joined)) }
        let words = "\(isConvolution ? "convolution" : "product"), bias, residual addition, relu"
        programs.append((words + (isRead ? "; the shortcut read again" : ""), replay(builder)))
      }
    }
    // No product stands before it, so that the addition is nobody's end.
    var builder = ProgramBuilder(name: "residual")
    let (x, branch) = (builder.input("x", .float32([61, 40])), builder.input("branch", .float32([61, 40])))
    let shortcut = try builder.append(Unary(.tanh), x)
    let joined = try builder.append(Binary(.add), shortcut, builder.append(Unary(.relu), branch))
    builder.output("y", try builder.append(Unary(.relu), joined))
    builder.output("z", try builder.append(Binary(.add), shortcut, joined))
    programs.append(("residual addition, relu; the shortcut read again", replay(builder)))
    return programs
  }

  /// A shortcut of the result's size beside a convolution whose image is larger, as where a stage of a residual network
  /// begins: the shortcut is a convolution of one pixel, or comes from elsewhere.
  private static func residualsOfStrides() throws(ProgramError) -> [(name: String, replay: ReplayFile)] {
    var programs: [(String, ReplayFile)] = []
    for hasBias in [false, true] {
      for isProjected in [false, true] {
        var builder = ProgramBuilder(name: "residual")
        let x = builder.input("x", .float32([61, 7, 5, 17]))
        let kernel = builder.state("kernel", .float32([3, 3, 17, 33]))
        let bias = builder.state("bias", .float32([33]))
        let strides = ConvolutionGeometry(strides: [2, 2], padding: [1, 1, 1, 1])
        let made = try builder.append(Unary(.tanh), x)
        let product = try builder.append(Convolution2D(strides), made, kernel)
        let sum = hasBias ? try builder.append(Binary(.add), product, bias) : product
        let shortcut: Value
        if isProjected {
          let projection = builder.state("projection", .float32([1, 1, 17, 33]))
          shortcut = try builder.append(Convolution2D(ConvolutionGeometry(strides: [2, 2])), made, projection)
        } else {
          shortcut = try builder.append(Unary(.tanh), builder.input("branch", sum.type))
        }
        builder.output("y", try builder.append(Unary(.relu), builder.append(Binary(.add), sum, shortcut)))
        let words = "convolution of stride 2\(hasBias ? ", bias" : ""), residual addition, relu"
        programs.append((words + (isProjected ? "; the shortcut a convolution too" : ""), replay(builder)))
      }
    }
    return programs
  }

  /// Chains in which no bias stands between a product and what follows it.
  private static func withoutBias() throws(ProgramError) -> [(name: String, replay: ReplayFile)] {
    var programs: [(String, ReplayFile)] = []
    for isConvolution in [false, true] {
      let word = isConvolution ? "convolution" : "product"
      let shape = isConvolution ? [61, 4, 3, 17] : [61, 40]
      func multiply(
        _ x: Value, _ columns: Int, in builder: inout ProgramBuilder
      ) throws(ProgramError) -> Value {
        let kernel = builder.state("kernel", .float32(Shape((isConvolution ? [3, 3] : []) + [shape.last!, columns])))
        guard isConvolution else { return try builder.append(MatrixMultiplication(), x, kernel) }
        return try builder.append(Convolution2D(ConvolutionGeometry(padding: [1, 1, 1, 1])), x, kernel)
      }
      for gate in [UnaryFunction.relu, nil] {
        // The shortcut first and last, made here so that a result may take its place.
        for isFirst in [false, true] {
          var builder = ProgramBuilder(name: "residual")
          let shortcut = try builder.append(Unary(.tanh), builder.input("x", .float32(Shape(shape))))
          let product = try multiply(shortcut, shape.last!, in: &builder)
          let joined = try builder.append(Binary(.add), isFirst ? [shortcut, product] : [product, shortcut])[0]
          builder.output(
            "y", try gate.map { gate throws(ProgramError) in try builder.append(Unary(gate), joined) } ?? joined)
          let words = "\(word), residual addition\(gate == nil ? "" : ", relu")"
          programs.append((words + (isFirst ? "; the shortcut first" : ""), replay(builder)))
        }
      }
      for function in [UnaryFunction.tanh, .sigmoid, .gelu, .leakyRelu, .swish] {
        var builder = ProgramBuilder(name: "activation")
        let product = try multiply(builder.input("x", .float32(Shape([17] + shape.dropFirst()))), 33, in: &builder)
        let alpha = function == .leakyRelu ? 0.3 : 0
        builder.output("y", try builder.append(Unary(function, alpha: alpha), product))
        programs.append(("\(word), \(function)", replay(builder)))
      }
    }
    return programs
  }

  /// A stack of products: what is fused behind one product of two matrices is not meant.
  private static func productsOfAStack() throws(ProgramError) -> (name: String, replay: ReplayFile) {
    var builder = ProgramBuilder(name: "stack")
    let x = builder.input("x", .float32([7, 17, 40]))
    let kernel = builder.input("kernel", .float32([7, 40, 33]))
    let (dy, bias) = (builder.input("dy", .float32([7, 17, 33])), builder.state("bias", .float32([1, 33])))
    let product = try builder.append(MatrixMultiplication(), x, kernel)
    // A matrix is read next, so that whoever looks at the wrong operand takes the stack for one.
    let upstream = try builder.append(Unary(.tanh), dy)
    builder.output("y", try builder.append(Unary(.relu), builder.append(Binary(.add), product, bias)))
    let gradient = try builder.append(MatrixMultiplication(transposeB: true), upstream, kernel)
    builder.output("dx", try builder.append(UnaryBackward(.relu), builder.append(Unary(.relu), x), gradient))
    return ("a stack of products, bias, relu, and its gradient through the relu below", replay(builder))
  }

  /// With numbers from −1 to 1 for whatever it is given.
  static func replay(_ builder: ProgramBuilder) -> ReplayFile {
    let program = builder.build()
    var values: [String: [Double]] = [:]
    for id in program.values.indices where program.values[id].role != .temporary {
      let uniform = SampleValues.uniform(program.values[id].type.shape.elementCount, seed: 11, stream: id)
      values[program.values[id].name] = uniform.map { Double(Float(2 * $0 - 1)) }
    }
    return ReplayFile(program, values)
  }
}

extension ReplayFile {
  /// Not a number, an infinity, zeros of both signs and denormals, each in a row (or an image) of `x` of its own, and a
  /// bias that closes its gate for good.
  mutating func plantSpecialValues() {
    guard let x = program.value(named: "x"), let columns = program.values[x].type.shape.extents.last else { return }
    let rows: [(row: Int, number: (Int) -> Double?)] = [
      (7, { $0 == 3 ? .nan : nil }), (20, { $0 == 5 ? .infinity : nil }), (33, { $0 % 2 == 0 ? 0 : -0.0 }),
      (60, { Double($0 % 3) * 0x1p-140 }),
    ]
    for (row, number) in rows {
      for column in 0..<columns { if let number = number(column) { values["x"]?[row * columns + column] = number } }
    }
    values["bias"]?[2] = -.infinity
  }
}

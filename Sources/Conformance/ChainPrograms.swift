import SwitchbackPrograms

/// Programs around the chains that backends make one kernel of: a product or convolution, a bias, a relu. In each place of
/// the chain there is a second reader once, and operands lie where results of the chain may come to lie. 61 rows, 40 and 17
/// columns and 600 terms leave a rest whatever the block is.
enum ChainPrograms {
  enum Product: String, CaseIterable {
    case product, longProduct = "product of 600 terms", convolution
  }

  /// What a second operation reads besides the chain.
  enum Reader: String, CaseIterable {
    case none = "", product = ", the product read twice", sum = ", the sum read twice", last = ", the relu read twice"
  }

  static func all() throws -> [(name: String, replay: ReplayFile)] {
    var programs: [(String, ReplayFile)] = []
    for product in Product.allCases {
      for hasBias in [true, false] {
        let words = "\(product.rawValue)\(hasBias ? ", bias" : ""), relu"
        for reader in Reader.allCases where hasBias || reader != .sum {
          programs.append((words + reader.rawValue, try program(product, hasBias: hasBias, reader)))
        }
        // Transforms spread one that is not a number over its whole image, and may.
        guard product != .convolution else { continue }
        let replay = try program(product, hasBias: hasBias, .none, hasNaN: true)
        programs.append((words + ", not a number among the operands", replay))
      }
    }
    return programs
  }

  private static func program(
    _ product: Product, hasBias: Bool, _ reader: Reader, hasNaN: Bool = false
  ) throws -> ReplayFile {
    var builder = ProgramBuilder(name: "chain")
    let terms = product == .longProduct ? 600 : 40
    let isConvolution = product == .convolution
    let x = builder.input("x", .float32(isConvolution ? [61, 4, 3, 24] : [61, terms]))
    let columns = isConvolution ? 24 : 40
    let kernel = builder.state("kernel", .float32(isConvolution ? [3, 3, 24, 24] : [terms, columns]))
    let bias = builder.state("bias", .float32([columns]))
    let further = builder.state("further", .float32(isConvolution ? [1, 1, 24, 17] : [columns, 17]))
    func multiply(_ x: Value, _ w: Value, _ padding: Int) throws -> Value {
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
    let program = builder.build()
    var values: [String: [Double]] = [:]
    for id in program.values.indices where program.values[id].role != .temporary {
      let (count, philox) = (program.values[id].type.shape.elementCount, Philox(seed: Int64(id) + 11))
      values[program.values[id].name] = (0..<count).map { e in
        let bits = philox.bits(block: e / 4, stream: 0, step: 0)
        return Double(Float(2 * Philox.uniform(bits[e % 4]) - 1))
      }
    }
    // One row, or one image.
    if hasNaN { values["x"]?[x.shape.elementCount / 3] = .nan }
    return ReplayFile(program, values)
  }
}

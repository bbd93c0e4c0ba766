import SwitchbackPrograms
import Testing

/// A product with what may follow it.
private struct Chain {
  enum Product: String, CaseIterable { case matmul, conv2d }

  /// What makes it no chain, or a shorter one.
  enum Obstacle: CaseIterable {
    case productReadTwice, sumReadTwice, biasIsAMatrix, biasIsAColumn, transposedOrGrouped
  }

  var builder = ProgramBuilder(name: "chain")
  var taps: Set<Int> = []
  var product: Value
  var sum: Value
  var y: Value

  /// `isApart`: the bias is computed behind the product, and another product stands between.
  init(
    _ kind: Product, isApart: Bool = false, seenBy onlooker: Onlooker = .nobody, _ obstacle: Obstacle? = nil
  ) throws {
    let isImage = kind == .conv2d
    let isOdd = obstacle == .transposedOrGrouped
    let x = builder.input("x", .float32(isImage ? [5, 6, 4, 4] : isOdd ? [6, 61] : [61, 6]))
    let groups = isImage && isOdd ? 2 : 1
    let w = builder.state("w", .float32(isImage ? [3, 3, 4 / groups, 18] : [6, 18]))
    func multiply(_ builder: inout ProgramBuilder) throws -> Value {
      isImage
        ? try builder.append(Convolution2D(ConvolutionGeometry(groups: groups)), x, w)
        : try builder.append(MatrixMultiplication(transposeA: isOdd), x, w)
    }
    product = try multiply(&builder)
    let biasShape: Shape =
      switch obstacle {
      case .biasIsAMatrix: product.shape
      case .biasIsAColumn: isImage ? [5, 4, 2, 1] : [61, 1]
      default: [18]
      }
    var bias = builder.input("bias", .float32(biasShape))
    if isApart {
      builder.output("another", try multiply(&builder))
      bias = try builder.append(Unary(.negate), try builder.append(Unary(.negate), bias))
    }
    try onlooker.look(at: [product], in: &builder, taps: &taps)
    sum = try builder.append(Binary(.add), product, bias)
    try onlooker.look(at: [sum], in: &builder, taps: &taps)
    y = try builder.append(Unary(.tanh), sum)
    builder.output("y", y)
    switch obstacle {
    case .productReadTwice: builder.output("again", try builder.append(Unary(.negate), product))
    case .sumReadTwice: builder.output("again", try builder.append(Unary(.negate), sum))
    default: break
    }
  }

  func run(with templates: FusedRun.Templates = .cpu) throws -> FusedRun {
    try FusedRun(builder.build(), taps: taps, with: templates)
  }
}

extension OpenCLTests {
  @Suite struct ProductBiasActivationTests {
    @Test(
      "a product, its bias and its activation are one kernel wherever they stand, and whoever looks sees the unfused bits",
      arguments: Chain.Product.allCases, Onlooker.allCases)
    fileprivate func fires(kind: Chain.Product, onlooker: Onlooker) throws {
      for templates in FusedRun.Templates.allCases { try fires(kind, onlooker, with: templates) }
    }

    private func fires(_ kind: Chain.Product, _ onlooker: Onlooker, with templates: FusedRun.Templates) throws {
      var plain = try Chain(kind, .productReadTwice)
      plain.taps = [plain.product.id, plain.sum.id]
      let unfused = try plain.run(with: templates)
      #expect(unfused.groups.allSatisfy { !$0.contains("+") })
      for isApart in [false, true] {
        let chain = try Chain(kind, isApart: isApart, seenBy: onlooker)
        let fused = try chain.run(with: templates)
        #expect(fused.groups.contains("\(kind) + add + tanh"), "\(fused.groups)")
        #expect(try fused.bits(of: chain.y.id) == unfused.bits(of: plain.y.id))
        guard onlooker == .taps || onlooker == .host else { continue }
        #expect(try fused.bits(of: chain.product.id) == unfused.bits(of: plain.product.id))
        #expect(try fused.bits(of: chain.sum.id) == unfused.bits(of: plain.sum.id))
      }
    }

    @Test(
      "where another operation computes with a value between, or the sum is not with a bias, nothing is fused over it",
      arguments: Chain.Product.allCases, Chain.Obstacle.allCases)
    fileprivate func mustNot(kind: Chain.Product, obstacle: Chain.Obstacle) throws {
      let groups = try Chain(kind, obstacle).run().groups
      let fused = groups.filter { $0.contains("+") }
      #expect(fused == (obstacle == .sumReadTwice ? ["\(kind) + add"] : []), "\(groups)")
    }

    @Test("statistics see the product and the sum as they are without fusion")
    func statistics() throws {
      var plain = try Chain(.matmul, .productReadTwice)
      plain.taps = [plain.product.id, plain.sum.id]
      let unfused = try plain.run()
      var chain = try Chain(.matmul)
      let looks = try [chain.product, chain.sum].map { try chain.builder.append(Statistics(), $0) }
      for look in looks { chain.builder.output("look \(look.id)", look) }
      let seen = try chain.run()
      #expect(seen.groups == ["matmul + add + tanh", "statistics", "statistics"])
      for (value, look) in zip([plain.product, plain.sum], looks) {
        let numbers = try unfused.bits(of: value.id).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        let found = try seen.bits(of: look.id).withUnsafeBytes { Array($0.bindMemory(to: Double.self)) }
        #expect(found[Statistics.Field.min.rawValue] == numbers.min().map(Double.init))
        #expect(found[Statistics.Field.max.rawValue] == numbers.max().map(Double.init))
      }
    }
  }
}

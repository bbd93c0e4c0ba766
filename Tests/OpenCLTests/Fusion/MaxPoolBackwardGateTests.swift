import SwitchbackPrograms
import Testing

/// A pooling's gradient with the gate behind it.
private struct Chain {
  /// What makes it no chain.
  enum Obstacle: CaseIterable { case readTwice, gateOfAnotherValue, gateInTermsOfItsOperand }

  var builder = ProgramBuilder(name: "chain")
  var taps: Set<Int> = []
  var ungated: Value
  var dx: Value

  /// `isApart`: another pooling's gradient stands between.
  init(
    _ pooling: PoolingGeometry, isApart: Bool = false, seenBy onlooker: Onlooker = .nobody, _ obstacle: Obstacle? = nil
  ) throws {
    let x = builder.input("x", .float32([3, 7, 6, 4]))
    let activated = try builder.append(Unary(.relu), x)
    let dy = builder.input("dy", try builder.append(MaxPool2D(pooling), activated).type)
    ungated = try builder.append(MaxPool2DBackward(pooling), activated, dy)
    try onlooker.look(at: [ungated], in: &builder, taps: &taps)
    if isApart { builder.output("another", try builder.append(MaxPool2DBackward(pooling), x, dy)) }
    let gate = UnaryBackward(obstacle == .gateInTermsOfItsOperand ? .swish : .relu)
    dx = try builder.append(gate, obstacle == .gateOfAnotherValue ? x : activated, ungated)
    builder.output("dx", dx)
    if obstacle == .readTwice { builder.output("again", try builder.append(Unary(.negate), ungated)) }
  }

  func run(with templates: FusedRun.Templates = .cpu) throws -> FusedRun {
    try FusedRun(builder.build(), taps: taps, with: templates)
  }
}

/// Windows side by side, and windows that overlap: two kernels.
private let poolings = [
  PoolingGeometry(poolSize: [2, 2]), PoolingGeometry(poolSize: [3, 2], strides: [2, 1], padding: [1, 1, 0, 0]),
]

extension OpenCLTests {
  @Suite struct MaxPoolBackwardGateTests {
    @Test(
      "a pooling's gradient and the gate behind it are one kernel wherever they stand, and whoever looks sees the unfused bits",
      arguments: poolings, Onlooker.allCases)
    func fires(pooling: PoolingGeometry, onlooker: Onlooker) throws {
      for templates in FusedRun.Templates.allCases { try fires(pooling, onlooker, with: templates) }
    }

    private func fires(_ pooling: PoolingGeometry, _ onlooker: Onlooker, with templates: FusedRun.Templates) throws {
      var plain = try Chain(pooling, .readTwice)
      plain.taps = [plain.ungated.id]
      let unfused = try plain.run(with: templates)
      #expect(unfused.groups.allSatisfy { !$0.contains("+") })
      for isApart in [false, true] {
        let chain = try Chain(pooling, isApart: isApart, seenBy: onlooker)
        let fused = try chain.run(with: templates)
        #expect(fused.groups.contains("maxPool2d/backward + relu/backward"), "\(fused.groups)")
        #expect(try fused.bits(of: chain.dx.id) == unfused.bits(of: plain.dx.id))
        guard onlooker == .taps || onlooker == .host else { continue }
        #expect(try fused.bits(of: chain.ungated.id) == unfused.bits(of: plain.ungated.id))
      }
    }

    @Test(
      "a gradient that another operation reads, and a gate of another kind or value, are not fused",
      arguments: Chain.Obstacle.allCases)
    fileprivate func mustNot(obstacle: Chain.Obstacle) throws {
      for pooling in poolings {
        let groups = try Chain(pooling, obstacle).run().groups
        #expect(groups.allSatisfy { !$0.contains("+") }, "\(groups)")
      }
    }
  }
}

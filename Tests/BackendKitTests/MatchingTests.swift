import SwitchbackBackendKit
import SwitchbackPrograms
import Testing

/// A dense layer and its gate's gradient, with probes standing anywhere.
///
///     0 product = matmul(x, w)      4 loss, of y alone
///     1 statistics(product)         5 gated = relu/backward(y, dy)
///     2 sum = product + bias        6 dw = matmul(xᵀ, gated)
///     3 y = relu(sum)
private struct Layer {
  var builder = ProgramBuilder(name: "layer")
  let x, w, bias, dy, product, look, sum, y, loss, gated, dw: Value

  init() throws {
    (x, dy) = (builder.input("x", .float32([4, 3])), builder.input("dy", .float32([4, 5])))
    (w, bias) = (builder.state("w", .float32([3, 5])), builder.state("bias", .float32([5])))
    product = try builder.append(MatrixMultiplication(), x, w)
    look = try builder.append(Statistics(), product)
    sum = try builder.append(Binary(.add), product, bias)
    y = try builder.append(Unary(.relu), sum)
    loss = try builder.append(Reduce(.sum, axes: [0, 1]), y)
    gated = try builder.append(UnaryBackward(.relu), y, dy)
    dw = try builder.append(MatrixMultiplication(transposeA: true), x, gated)
    for (name, value) in [("look", look), ("loss", loss), ("dw", dw)] { builder.output(name, value) }
  }

  func segment(tapped: Value? = nil) -> Segment {
    var segment = Segment(builder.build())
    if let tapped { segment.values[tapped.id].role = .tap }
    return segment
  }
}

@Suite struct MatchingTests {
  @Test("a value's writer and its only reader are found wherever they stand, and probes are no readers")
  func onlyReader() throws {
    let layer = try Layer()
    let uses = ValueUses(layer.segment())
    #expect(uses.readers(of: layer.product.id) == [1, 2])
    #expect(uses.onlyReader(of: layer.product.id) == 2)
    #expect(uses.onlyReader(of: layer.y.id) == nil)
    #expect(uses.onlyReader(of: layer.dw.id) == nil)
    #expect(uses.onlyReader(of: layer.look.id) == nil)
    #expect(uses.looks(1) && !uses.looks(2))
    #expect(uses.writer(of: layer.sum.id) == 2 && uses.writer(of: layer.look.id) == 1)
    #expect(uses.writer(of: layer.x.id) == nil && uses.writer(of: layer.bias.id) == nil)
    // A call that reads a value twice is one reader.
    var builder = ProgramBuilder(name: "square")
    let x = builder.input("x", .float32([2]))
    builder.output("y", try builder.append(Binary(.multiply), x, x))
    #expect(ValueUses(Segment(builder.build())).readers(of: x.id) == [0])
  }

  @Test("a bias has one number for each column, and stretches nothing")
  func rowVectors() {
    let shapes: [Shape] = [[6, 5], [5], [1, 5], [6, 1], [6, 5], [], [1, 1, 5], [1], [6]]
    let segment = Segment(
      calls: [], values: shapes.map { Segment.ValueInfo(type: .float32($0), role: .input) })
    #expect(shapes.indices.filter { segment.isRowVector($0, of: 0) } == [1, 2])
    // A matrix of one row is a row.
    #expect(segment.isRowVector(2, of: 2) && segment.isRowVector(1, of: 2))
    // Beside a number without axes nothing is a row.
    #expect(!segment.isRowVector(7, of: 5))
  }

  @Test("a value is elided where its readers are inside, watched where somebody looks, shared where somebody computes")
  func innerValues() throws {
    let layer = try Layer()
    let uses = ValueUses(layer.segment())
    #expect(uses.inner(layer.sum.id, within: [0, 2, 3]) == .elided)
    #expect(uses.mayElide(layer.sum.id, within: [3]))
    #expect(uses.inner(layer.product.id, within: [0, 2, 3]) == .watched)
    #expect(uses.inner(layer.y.id, within: [0, 2, 3]) == .shared)
    #expect(uses.inner(layer.y.id, within: [3, 4, 5]) == .elided)
    // A tap, and a value that the host reads.
    #expect(ValueUses(layer.segment(tapped: layer.sum)).inner(layer.sum.id, within: [3]) == .watched)
    #expect(uses.inner(layer.loss.id, within: [4]) == .watched)
    #expect(!uses.mayElide(layer.loss.id, within: [4]))
  }

  @Test("a chain goes from a value to its only reader, as far as the pattern wants")
  func chains() throws {
    let layer = try Layer()
    let uses = ValueUses(layer.segment())
    var chain = try #require(CallChain(from: 0, uses))
    #expect(chain.calls == [0] && chain.result == layer.product.id)
    // Not accepted: nothing changes.
    let refused = chain.follow { _, _ in Int?.none }
    #expect(refused == nil && chain.calls == [0])
    let (sum, y) = (chain.follow { [$0, $1] }, chain.follow { call, _ in call })
    #expect(sum == [2, layer.product.id] && y == 3)
    #expect(chain.calls == [0, 2, 3] && chain.result == layer.y.id)
    // Two compute with y.
    let none = chain.follow { call, _ in call }
    #expect(none == nil)
    // A state is read before the update too.
    var builder = ProgramBuilder(name: "update")
    let (state, gradient) = (builder.state("s", .float32([2])), builder.input("g", .float32([2])))
    let (rate, allow) = (builder.step("learningRate", .float32([])), builder.input("allow", TensorType(.bool, [])))
    builder.output("y", try builder.append(Unary(.relu), state))
    _ = try builder.append(SGDUpdate(), [state, gradient, rate, allow])
    var update = try #require(CallChain(from: 1, ValueUses(Segment(builder.build()))))
    let after = update.follow { call, _ in call }
    #expect(update.result == state.id && after == nil)
    #expect(ValueUses(Segment(builder.build())).writer(of: state.id) == nil)
  }

  @Test(
    "a half leaves unwritten what it alone reads, writes what is looked at, and is none where another computes with it")
  func halves() throws {
    let layer = try Layer()
    let uses = ValueUses(layer.segment())
    let forward = MatchedHalf(calls: [0, 2, 3], results: [layer.y.id])
    let between = try #require(forward.between(uses))
    #expect(between.elided == [layer.sum.id] && between.watched == [layer.product.id])
    #expect(MatchedHalf(calls: [0, 2, 3], results: []).between(uses) == nil)
    var chain = try #require(CallChain(from: 0, uses))
    _ = chain.follow { call, _ in call }
    #expect(MatchedHalf(chain) == MatchedHalf(calls: [0, 2], results: [layer.sum.id]))
  }

  @Test("a pair leaves unwritten what its halves alone read; a reader outside undoes both")
  func pairs() throws {
    let layer = try Layer()
    let forward = MatchedHalf(calls: [0, 2, 3, 4], results: [layer.loss.id])
    let pair = MatchedPair(forward: forward, backward: MatchedHalf(calls: [5, 6], results: [layer.dw.id]))
    let between = try #require(pair.between(ValueUses(layer.segment())))
    #expect(between.elided == [layer.sum.id, layer.y.id, layer.gated.id] && between.watched == [layer.product.id])
    // Neither half is one without the other: y is read in both.
    #expect(forward.between(ValueUses(layer.segment())) == nil)
    #expect(
      ValueUses(layer.segment(tapped: layer.y)).inner(layer.y.id, within: [0, 2, 3, 4, 5, 6]) == .watched)
    var read = layer
    read.builder.output("again", try read.builder.append(Unary(.negate), layer.y))
    #expect(pair.between(ValueUses(read.segment())) == nil)
  }
}

@Suite struct CallGroupsTests {
  /// `#expect` takes no call that changes what it is called on.
  private func join(_ calls: [[Int]], in groups: inout CallGroups) -> Bool { groups.join(calls) }

  @Test("without groups calls run as they stand; a group runs where its first call stands, and who looks comes after")
  func order() throws {
    var groups = CallGroups(try Layer().segment())
    #expect(groups.order == (0..<7).map { [$0] })
    #expect(join([[3, 0, 2]], in: &groups))
    #expect(groups.order == [[0, 2, 3], [1], [4], [5], [6]])
    #expect(join([[5, 6]], in: &groups))
    #expect(groups.order == [[0, 2, 3], [1], [4], [5, 6]])
    // A call is in one group.
    #expect(!join([[4, 5]], in: &groups))
    #expect(groups.order == [[0, 2, 3], [1], [4], [5, 6]])
  }

  @Test("what a group waits for comes before it, from wherever it stood")
  func late() throws {
    var builder = ProgramBuilder(name: "late bias")
    let (x, w) = (builder.input("x", .float32([4, 3])), builder.state("w", .float32([3, 5])))
    let raw = builder.input("bias", .float32([5]))
    let product = try builder.append(MatrixMultiplication(), x, w)
    builder.output("other", try builder.append(Unary(.negate), x))
    let bias = try builder.append(Unary(.negate), raw)
    builder.output("y", try builder.append(Binary(.add), product, bias))
    var groups = CallGroups(Segment(builder.build()))
    #expect(join([[0, 3]], in: &groups))
    #expect(groups.order == [[2], [0, 3], [1]])
  }

  @Test("an update waits for those that read the state before it, and they do not see what it writes")
  func states() throws {
    var builder = ProgramBuilder(name: "update")
    let (x, w) = (builder.input("x", .float32([5, 5])), builder.state("w", .float32([5, 5])))
    let (rate, allow) = (builder.step("learningRate", .float32([])), builder.input("allow", TensorType(.bool, [])))
    let product = try builder.append(MatrixMultiplication(), x, w)
    _ = try builder.append(SGDUpdate(), [w, x, rate, allow])
    builder.output("y", try builder.append(Unary(.relu), product))
    builder.output("z", try builder.append(Unary(.relu), w))
    var groups = CallGroups(Segment(builder.build()))
    #expect(join([[0, 2]], in: &groups))
    #expect(groups.order == [[0, 2], [1], [3]])
    // The new weights beside the old product: the update would stand between.
    var crossed = CallGroups(Segment(builder.build()))
    #expect(!join([[0, 3]], in: &crossed))
    #expect(crossed.order == [[0], [1], [2], [3]])
  }

  @Test("groups that would wait for each other are not joined, one by one nor as a pair")
  func cycles() throws {
    var builder = ProgramBuilder(name: "crossed")
    let x = builder.input("x", .float32([2]))
    let a = try builder.append(Unary(.relu), x)
    let b = try builder.append(Unary(.tanh), a)
    let c = try builder.append(Unary(.relu), x)
    let d = try builder.append(Binary(.add), c, x)
    let e = try builder.append(Binary(.add), a, d)
    for (index, value) in [b, e].enumerated() { builder.output("\(index)", value) }
    let segment = Segment(builder.build())
    // b waits for a, e for d: {a, e} and {b, c, d} would wait for each other.
    var groups = CallGroups(segment)
    #expect(join([[0, 4]], in: &groups))
    #expect(!join([[1, 2, 3]], in: &groups))
    #expect(groups.order == [[2], [3], [0, 4], [1]])
    var pair = CallGroups(segment)
    #expect(!join([[0, 4], [1, 2, 3]], in: &pair))
    #expect(pair.order == (0..<5).map { [$0] })
    #expect(join([[1, 2, 3]], in: &pair))
    #expect(!join([[0, 4]], in: &pair))
    // A path that leaves a group and comes back.
    var around = CallGroups(segment)
    #expect(!join([[2, 4]], in: &around))
    #expect(join([[2, 3, 4]], in: &around))
  }
}

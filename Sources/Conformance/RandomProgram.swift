public import SwitchbackPrograms

/// A program put together at random, with numbers for its operands: what a backend's scheduling is tried with more than
/// its kernels. A pure function of the seed.
public struct RandomProgram: Sendable {
  public let program: Program
  public let values: [String: [Double]]

  public init(seed: Int) throws {
    var maker = Maker(seed: seed)
    try maker.grow(steps: 40)
    (program, values) = try maker.finish()
  }
}

private struct Maker {
  private var state: UInt64
  private var builder = ProgramBuilder(name: "random")
  private var values: [String: [Double]] = [:]
  /// Numbers that every backend has alike, to which comparisons keep: a rounding must not choose a branch.
  private var exact: [Value]
  private var all: [Value]
  private let (stored, table, labels, key): (Value, Value, Value, Value)

  init(seed: Int) {
    state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678_9ABC_DEF
    var state = state
    let batch = [1, 3, 12, 13][Self.next(&state, 4)]
    exact = [
      builder.input("x", .float32([batch, 4, 6])), builder.input("z", .float32([batch, 6])),
      builder.state("v", .float32([batch, 6])), builder.state("w", .float32([6])),
      builder.state("table", .float32([4, 6])),
    ]
    for (name, value) in zip(["x", "z", "v", "w", "table"], exact) {
      values[name] = (0..<value.shape.elementCount).map { _ in
        Double(Float(Self.next(&state, 2001) - 1000) / 1000)
      }
    }
    (stored, table) = (exact[2], exact[4])
    labels = builder.input("labels", .int32([batch]))
    values["labels"] = (0..<batch).map { _ in Double(Self.next(&state, 4)) }
    key = builder.step("key", TensorType(.int64, [2]))
    values["key"] = [5, Double(Self.next(&state, 100))]
    all = exact
    self.state = state
  }

  private static func next(_ state: inout UInt64, _ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }

  private mutating func next(_ bound: Int) -> Int { Self.next(&state, bound) }
  private mutating func pick<Element>(_ elements: [Element]) -> Element { elements[next(elements.count)] }

  /// Whose shapes go together with x's.
  private mutating func partner(of x: Value, among candidates: [Value]) -> Value {
    pick(candidates.filter { x.shape.broadcast(with: $0.shape) != nil })
  }

  mutating func grow(steps: Int) throws {
    for index in 0..<steps {
      let result = try append(index)
      guard result.shape.elementCount < 5000 else { continue }
      all.append(result)
      if next(4) == 0 { builder.output("y\(index)", result) }
      if next(6) == 0 { builder.output("s\(index)", try builder.append(Statistics(), result)) }
    }
  }

  mutating func finish() throws -> (Program, [String: [Double]]) {
    builder.output("last", all[all.count - 1])
    let update = pick(all.filter { $0.type == stored.type && $0.id != stored.id })
    builder.output("v", try builder.append(Assign(), stored, update))
    return (builder.build(), values)
  }

  /// Results stay within ±1, so that forty operations on one another neither overflow nor die out.
  private mutating func append(_ index: Int) throws -> Value {
    let x = pick(all)
    let rank = x.shape.rank
    switch next(14) {
    case 0: return try builder.append(Unary(pick([.tanh, .relu, .sigmoid, .negate])), x)
    case 1, 2, 3:
      let function = pick([BinaryFunction.add, .multiply, .maximum, .subtract])
      return try bounded(builder.append(Binary(function), x, partner(of: x, among: all)))
    case 4:
      let a = pick(exact)
      let condition = try builder.append(Binary(.greater), a, partner(of: a, among: exact))
      let branch = partner(of: condition, among: all)
      return try builder.append(Select(), condition, branch, builder.append(Unary(.negate), branch))
    case 5, 6:
      let axes = (0..<rank).filter { _ in next(2) == 0 }
      let function = pick([ReduceFunction.sum, .mean, .max, .sumSquares])
      return try bounded(builder.append(Reduce(function, axes: axes, keepDimensions: next(2) == 0), x))
    case 7 where rank > 1:
      let turn = next(rank)
      return try builder.append(Transpose(permutation: (0..<rank).map { ($0 + turn) % rank }), x)
    case 8 where rank > 0:
      let starts = x.shape.extents.map { next($0) }
      let part = try builder.append(Slice(starts: starts, sizes: zip(starts, x.shape.extents).map { $1 - $0 }), x)
      return try builder.append(Pad(low: starts.map { _ in 0 }, high: starts, value: 0.5), part)
    case 9 where rank > 0: return try builder.append(Concatenate(axis: next(rank)), x, x)
    case 10 where rank > 1:
      let extents = x.shape.extents
      let shape =
        next(2) == 0
        ? [extents[0], extents.dropFirst().reduce(1, *)] : [extents[0] * extents[1]] + Array(extents[2...])
      return try builder.append(Reshape(shape: shape), x)
    case 11 where rank > 0: return try builder.append(Softmax(axis: next(rank)), x)
    case 12:
      let result = try builder.append(RandomNumbers(.uniform, shape: x.shape.extents, stream: index), key)
      exact.append(result)
      return result
    case 13 where rank == 2:
      let isTurned = next(2) == 0
      return try bounded(
        builder.append(MatrixMultiplication(transposeA: isTurned, transposeB: !isTurned), x, x))
    default: return try builder.append(Unary(.sigmoid), builder.append(Gather(axis: 0), table, labels))
    }
  }

  private mutating func bounded(_ value: Value) throws -> Value { try builder.append(Unary(.tanh), value) }
}

import SwitchbackConformance
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import Testing

private struct Generator {
  var state: UInt64
  init(_ seed: Int) { state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 }
  mutating func next(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }
  mutating func pick<Element>(_ elements: [Element]) -> Element { elements[next(elements.count)] }
}

/// A program put together at random, with values for its operands.
private func randomProgram(seed: Int) throws -> (program: Program, values: [String: [Double]]) {
  var random = Generator(seed)
  var builder = ProgramBuilder(name: "random")
  let batch = random.pick([1, 3, 12, 13])
  var values: [String: [Double]] = [:]
  /// Numbers that every backend has alike, to which comparisons keep.
  var exact: [Value] = [
    builder.input("x", .float32([batch, 4, 6])), builder.input("z", .float32([batch, 6])),
    builder.state("v", .float32([batch, 6])), builder.state("w", .float32([6])),
    builder.state("table", .float32([4, 6])),
  ]
  for (name, value) in zip(["x", "z", "v", "w", "table"], exact) {
    values[name] = (0..<value.shape.elementCount).map { _ in Double(Float(random.next(2001) - 1000) / 1000) }
  }
  let (v, table) = (exact[2], exact[4])
  let labels = builder.input("labels", .int32([batch]))
  values["labels"] = (0..<batch).map { _ in Double(random.next(4)) }
  let key = builder.step("key", TensorType(.int64, [2]))
  values["key"] = [5, Double(random.next(100))]
  var all = exact
  for index in 0..<40 {
    let x = random.pick(all)
    let rank = x.shape.rank
    let result: Value
    switch random.next(14) {
    case 0: result = try builder.append(Unary(random.pick([.tanh, .relu, .sigmoid, .negate])), x)
    case 1, 2, 3:
      let partner = random.pick(all.filter { x.shape.broadcast(with: $0.shape) != nil })
      let function = random.pick([BinaryFunction.add, .multiply, .maximum, .subtract])
      result = try builder.append(Unary(.tanh), builder.append(Binary(function), x, partner))
    case 4:
      let a = random.pick(exact)
      let b = random.pick(exact.filter { a.shape.broadcast(with: $0.shape) != nil })
      let condition = try builder.append(Binary(.greater), a, b)
      let branch = random.pick(all.filter { condition.shape.broadcast(with: $0.shape) != nil })
      result = try builder.append(Select(), condition, branch, builder.append(Unary(.negate), branch))
    case 5, 6:
      let axes = (0..<rank).filter { _ in random.next(2) == 0 }
      let function = random.pick([ReduceFunction.sum, .mean, .max, .sumSquares])
      let folded = try builder.append(Reduce(function, axes: axes, keepDimensions: random.next(2) == 0), x)
      result = try builder.append(Unary(.tanh), folded)
    case 7 where rank > 1:
      let turn = random.next(rank)
      result = try builder.append(Transpose(permutation: (0..<rank).map { ($0 + turn) % rank }), x)
    case 8 where rank > 0:
      let starts = x.shape.extents.map { random.next($0) }
      let part = try builder.append(Slice(starts: starts, sizes: zip(starts, x.shape.extents).map { $1 - $0 }), x)
      result = try builder.append(Pad(low: starts.map { _ in 0 }, high: starts, value: 0.5), part)
    case 9 where rank > 0: result = try builder.append(Concatenate(axis: random.next(rank)), x, x)
    case 10 where rank > 1:
      let extents = x.shape.extents
      let shape =
        random.next(2) == 0
        ? [extents[0], extents.dropFirst().reduce(1, *)] : [extents[0] * extents[1]] + Array(extents[2...])
      result = try builder.append(Reshape(shape: shape), x)
    case 11 where rank > 0: result = try builder.append(Softmax(axis: random.next(rank)), x)
    case 12:
      result = try builder.append(RandomNumbers(.uniform, shape: x.shape.extents, stream: index), key)
      exact.append(result)
    case 13 where rank == 2:
      let turned = random.next(2) == 0
      let product = try builder.append(MatrixMultiplication(transposeA: turned, transposeB: !turned), x, x)
      result = try builder.append(Unary(.tanh), product)
    default: result = try builder.append(Unary(.sigmoid), builder.append(Gather(axis: 0), table, labels))
    }
    guard result.shape.elementCount < 5000 else { continue }
    all.append(result)
    if random.next(4) == 0 { builder.output("y\(index)", result) }
    if random.next(6) == 0 { builder.output("s\(index)", try builder.append(Statistics(), result)) }
  }
  builder.output("last", all[all.count - 1])
  let update = random.pick(all.filter { $0.type == v.type && $0.id != v.id })
  builder.output("v", try builder.append(Assign(), v, update))
  return (builder.build(), values)
}

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct RandomProgramTests {
  /// The schedule of a segment (stages, slots, chunks, memory) is tested here more than its kernels.
  @Test("random programs give on OpenBLAS what they give on the reference, with any number of workers")
  func agree() throws {
    let reference = try chain(ReferenceBackend())
    let openBLAS = try (1...3).map { try chain(OpenBLASBackend(), workers: $0) }
    for seed in 1...300 {
      let (program, values) = try randomProgram(seed: seed)
      let truth = try ProgramEvaluation(program, values, on: reference).outputs
      let found = try openBLAS.map { try ProgramEvaluation(program, values, on: $0) }
      #expect(found[0].plan.segmentCount == 1)
      for output in program.outputs {
        let (a, b) = (found[0].outputs[output.name]!, truth[output.name]!)
        // What cancels to exactly 0 on one need not on the other.
        let zeros = output.name.hasPrefix("s") ? Statistics.Field.zeros.rawValue : nil
        let isClose =
          a.count == b.count
          && a.indices.allSatisfy { $0 == zeros || abs(a[$0] - b[$0]) <= 1e-3 * max(1, abs(b[$0])) }
        #expect(isClose, "seed \(seed), \(output.name): \(program)")
        for other in found.dropFirst() {
          #expect(other.outputs[output.name]!.map(\.bitPattern) == a.map(\.bitPattern), "seed \(seed), \(output.name)")
        }
      }
    }
  }
}

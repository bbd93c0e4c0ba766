public import SwitchbackPrograms

/// A program put together at random, with numbers for its operands: what a backend's scheduling is tried with more than
/// its kernels. A pure function of the seed and the catalogue; each operation says what it adds (`randomProgramPart`).
public struct RandomProgram: Sendable {
  public let program: Program
  public let values: [String: [Double]]

  public init(seed: Int, catalog: OperationCatalog = .standard) throws(ProgramError) {
    var maker = Maker(seed: seed)
    try maker.grow(steps: 40)
    try maker.growFurther(catalog)
    (program, values) = try maker.finish()
  }
}

private struct Maker {
  private var growth: RandomGrowth
  private var values: [String: [Double]] = [:]
  private let stored: Value

  /// Drawn with equal chances; where one does not fit, `last` follows. What these are decides what every seed means: an
  /// operation that is not among them comes after the forty steps.
  private static let draws: [any TensorOperation.Type] = [
    Unary.self, Binary.self, Binary.self, Binary.self, Select.self, Reduce.self, Reduce.self, Transpose.self,
    Slice.self, Concatenate.self, Reshape.self, Softmax.self, RandomNumbers.self, MatrixMultiplication.self,
  ]
  private static let fallback: any TensorOperation.Type = Gather.self

  init(seed: Int) {
    var state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678_9ABC_DEF
    let batch = [1, 3, 12, 13][RandomGrowth.next(&state, 4)]
    var builder = ProgramBuilder(name: "random")
    let exact = [
      builder.input("x", .float32([batch, 4, 6])), builder.input("z", .float32([batch, 6])),
      builder.state("v", .float32([batch, 6])), builder.state("w", .float32([6])),
      builder.state("table", .float32([4, 6])),
    ]
    for (name, value) in zip(["x", "z", "v", "w", "table"], exact) {
      values[name] = (0..<value.shape.elementCount).map { _ in
        Double(Float(RandomGrowth.next(&state, 2001) - 1000) / 1000)
      }
    }
    stored = exact[2]
    let labels = builder.input("labels", .int32([batch]))
    values["labels"] = (0..<batch).map { _ in Double(RandomGrowth.next(&state, 4)) }
    let key = builder.step("key", TensorType(.int64, [2]))
    values["key"] = [5, Double(RandomGrowth.next(&state, 100))]
    growth = RandomGrowth(builder, exact: exact, table: exact[4], labels: labels, key: key, state: state)
  }

  mutating func grow(steps: Int) throws(ProgramError) {
    for step in 0..<steps {
      let x = growth.pick(growth.all)
      var drawn = try growth.draw(Self.draws[growth.next(Self.draws.count)], from: x, step: step)
      if drawn == nil { drawn = try growth.draw(Self.fallback, from: x, step: step) }
      guard let result = drawn, result.shape.elementCount < 5000 else { continue }
      growth.all.append(result)
      if growth.next(4) == 0 { growth.builder.output("y\(step)", result) }
      if growth.next(6) == 0 {
        growth.builder.output("s\(step)", try growth.builder.append(Statistics(), result))
      }
    }
  }

  /// Twice each operation that is not among `draws`, on values of the program; nothing that was drawn reads them, and
  /// what is drawn afterwards does not change.
  mutating func growFurther(_ catalog: OperationCatalog) throws(ProgramError) {
    let known = Set((Self.draws + [Self.fallback]).map { $0.name })
    let before = growth
    var step = 100
    for entry in catalog.entries where !known.contains(entry.name) {
      for _ in 0..<2 {
        let x = growth.pick(growth.all)
        step += 1
        guard let result = try growth.draw(entry, from: x, step: step) else { continue }
        growth.builder.output("y\(step)", result)
      }
    }
    (growth.all, growth.exact, growth.state) = (before.all, before.exact, before.state)
  }

  mutating func finish() throws(ProgramError) -> (Program, [String: [Double]]) {
    growth.builder.output("last", growth.all[growth.all.count - 1])
    let update = growth.pick(growth.all.filter { $0.type == stored.type && $0.id != stored.id })
    growth.builder.output("v", try growth.builder.append(Assign(), stored, update))
    return (growth.builder.build(), values)
  }
}

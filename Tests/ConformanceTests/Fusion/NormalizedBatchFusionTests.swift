import SwitchbackBackendKit
import SwitchbackExecution
import SwitchbackOpenBLAS
import SwitchbackPrograms
import SwitchbackReference
import Testing

/// Batch normalization as the layer traces it, with its gradients and what moves its statistics.
private struct BatchProgram {
  /// What keeps it from being a pattern.
  enum Obstacle: CaseIterable {
    case centeredReadAgain, scaledReadAgain, squaresReadAgain, slopesReadAgain, channelsFirst, noGamma, noBeta
    case replacedGamma
  }
  enum Shortcut { case none, earlier, normalized }

  var shape = [64, 40]
  var hasRelu = true
  var shortcut = Shortcut.none
  var isTrained = true
  var obstacle: Obstacle?
  var special: Float?
  var isAllowed = true
  /// Whether what moves the statistics is read again.
  var movesAreReadAgain = false
  /// Whether running statistics take the place of the batch's, as in an evaluation.
  var isRunning = false
  /// Whether a dense layer follows, whose gradient comes through relu.
  var isFollowed = false

  struct Run {
    /// The calls of each work.
    var groups: [String]
    /// By name the outputs and states.
    var results: [String: [UInt32]]
    /// The temporaries, where they are tapped.
    var seen: [Int: [Float]]

    func numbers(_ name: String) -> [Float] { (results[name] ?? []).map { Float(bitPattern: $0) } }
    func count(_ words: String) -> Int { groups.count { $0 == words } }
    /// How many normalizations there are whose sums are one work.
    var fused: Int { count(NormalizedBatchFusionTests.sums) }
  }

  /// One normalization, as the layer appends it.
  private func normalize(
    _ x: Value, _ name: String, in builder: inout ProgramBuilder, _ more: inout [(String, Value)],
    _ moves: inout [(Value, Value)]
  ) throws -> (y: Value, parameters: [Value]) {
    let axis = obstacle == .channelsFirst ? 0 : x.shape.rank - 1
    let axes = (0..<x.shape.rank).filter { $0 != axis }
    let channels = TensorType.float32([x.shape[axis]])
    func spread(_ value: Value, _ builder: inout ProgramBuilder) throws -> Value {
      guard axis == 0 else { return value }
      return try builder.append(
        Reshape(shape: x.shape.extents.indices.map { $0 == axis ? x.shape[axis] : 1 }), value)
    }
    func constant(_ number: Double, _ builder: inout ProgramBuilder) throws -> Value {
      try builder.append(Fill(value: number, shape: [], elementType: .float32))
    }
    let (gamma, beta) = (builder.state("gamma" + name, channels), builder.state("beta" + name, channels))
    guard !isRunning else { return (try scale(x, name, gamma, beta, in: &builder, &more), []) }
    let mean = try builder.append(Reduce(.mean, axes: axes), x)
    let centered = try builder.append(Binary(.subtract), x, spread(mean, &builder))
    let squares = try builder.append(Unary(.square), centered)
    let variance = try builder.append(Reduce(.mean, axes: axes), squares)
    for (word, batch) in [("mean", mean), ("variance", variance)] {
      let moving = builder.state("moving \(word)" + name, channels)
      let old = try builder.append(Binary(.multiply), moving, constant(0.75, &builder))
      let new = try builder.append(Binary(.multiply), batch, constant(0.25, &builder))
      if movesAreReadAgain { more.append(("again \(word)" + name, new)) }
      moves.append((moving, try builder.append(Binary(.add), old, new)))
    }
    let kept = try builder.append(Binary(.add), variance, constant(0.001, &builder))
    var factor = try builder.append(Unary(.rsqrt), kept)
    if obstacle != .noGamma { factor = try builder.append(Binary(.multiply), factor, gamma) }
    let scaled = try builder.append(Binary(.multiply), centered, spread(factor, &builder))
    let y = obstacle == .noBeta ? scaled : try builder.append(Binary(.add), scaled, spread(beta, &builder))
    switch obstacle {
    case .centeredReadAgain: more.append(("again" + name, centered))
    case .scaledReadAgain: more.append(("again" + name, scaled))
    case .squaresReadAgain: more.append(("again" + name, squares))
    case .replacedGamma: try builder.append(Assign(), [gamma, builder.input("next" + name, channels)])
    default: break
    }
    return (y, (obstacle == .noGamma ? [] : [gamma]) + (obstacle == .noBeta ? [] : [beta]))
  }

  /// By running statistics.
  private func scale(
    _ x: Value, _ name: String, _ gamma: Value, _ beta: Value, in builder: inout ProgramBuilder,
    _ more: inout [(String, Value)]
  ) throws -> Value {
    let mean = builder.state("moving mean" + name, gamma.type)
    let variance = builder.state("moving variance" + name, gamma.type)
    let centered = try builder.append(Binary(.subtract), x, mean)
    let kept = try builder.append(
      Binary(.add), variance, builder.append(Fill(value: 0.001, shape: [], elementType: .float32)))
    let factor = try builder.append(Binary(.multiply), builder.append(Unary(.rsqrt), kept), gamma)
    let scaled = try builder.append(Binary(.multiply), centered, factor)
    if obstacle == .centeredReadAgain { more.append(("again" + name, centered)) }
    if obstacle == .scaledReadAgain { more.append(("again" + name, scaled)) }
    return try builder.append(Binary(.add), scaled, beta)
  }

  func run(
    _ onlooker: Onlooker = .nobody, on backend: any ComputeBackend = OpenBLASBackend(), workers: Int = 2
  ) throws -> Run {
    var builder = ProgramBuilder(name: "batch")
    var (more, moves): ([(String, Value)], [(Value, Value)]) = ([], [])
    let type = TensorType.float32(Shape(shape))
    let x = try builder.append(Unary(.negate), builder.input("x", type))
    let other = try builder.append(Unary(.negate), builder.input("shortcut", type))
    var (y, parameters) = try normalize(x, "", in: &builder, &more, &moves)
    switch shortcut {
    case .none: break
    case .earlier: y = try builder.append(Binary(.add), other, y)
    case .normalized:
      let second = try normalize(other, " again", in: &builder, &more, &moves)
      y = try builder.append(Binary(.add), y, second.y)
      parameters += second.parameters
    }
    if hasRelu { y = try builder.append(Unary(.relu), y) }
    if isFollowed {
      y = try builder.append(MatrixMultiplication(), y, builder.state("kernel", .float32([shape[1], 64])))
    }
    builder.output("y", y)
    for (name, value) in more { builder.output(name, try builder.append(Unary(.negate), value)) }
    if isTrained {
      let weighted = try builder.append(Binary(.multiply), y, builder.input("weights", y.type))
      let loss = try builder.append(Reduce(.sum, axes: Array(shape.indices)), weighted)
      // Nobody would make what only onlookers read, and chunks follow from what is made.
      builder.output("loss", loss)
      let gradients = try builder.gradients(of: loss, for: [x, other] + parameters)
      for (name, value) in [("dx", x), ("dother", other)] + parameters.enumerated().map({ ("d\($0)", $1) }) {
        if let gradient = gradients[value.id] { builder.output(name, gradient) }
      }
      if obstacle == .slopesReadAgain, let call = builder.program.calls.last(where: { $0.operation is Broadcast }),
        let value = call.outputs[0]
      {
        builder.output("again", try builder.append(Unary(.negate), builder.value(value)))
      }
    }
    let allowed = builder.input("isAllowed", TensorType(.bool, []))
    for (moving, moved) in moves {
      try builder.append(Assign(), [moving, builder.append(Select(), allowed, moved, moving)])
    }
    let traced = builder.program
    let outputs = Set(traced.outputs.map(\.value))
    let between = traced.calls.flatMap { $0.outputs.compactMap { $0 } }.filter {
      traced.values[$0].role == .temporary && !outputs.contains($0)
    }
    let taps = try onlooker.look(at: between.map(builder.value), in: &builder)
    let states = StateStore()
    let program = builder.build()
    let executor = try ProgramExecutor(program, on: chain(backend, workers: workers), states: states, taps: taps)
    for info in program.values {
      switch info.role {
      case .input: try executor.withInput(info.name) { fill($0, info) }
      case .state: try states.withMutableBytes(of: info.name) { fill($0, info) }
      default: continue
      }
    }
    try executor.run()
    var results: [String: [UInt32]] = [:]
    for output in program.outputs where outputs.contains(output.value) {
      results[output.name] = try executor.bits(of: output.value)
    }
    for (id, info) in program.values.enumerated() where info.role == .state {
      results[info.name] = try executor.bits(of: id)
    }
    var seen: [Int: [Float]] = [:]
    for id in between where taps.contains(id) {
      seen[id] = try executor.bits(of: id).map { Float(bitPattern: $0) }
    }
    let groups = executor.plan.reports.flatMap(\.groupNames).map { name in
      name.prefix { $0 != "·" }.split(separator: " ").joined(separator: " ")
    }
    return Run(groups: groups, results: results, seen: seen)
  }

  private func fill(_ bytes: UnsafeMutableRawBufferPointer, _ info: Program.ValueInfo) {
    guard info.name != "isAllowed" else {
      bytes[0] = isAllowed ? 1 : 0
      return
    }
    var state = info.name.utf8.reduce(UInt32(7)) { $0 &* 31 &+ UInt32($1) }
    for element in 0..<info.type.shape.elementCount {
      state = state &* 1_664_525 &+ 1_013_904_223
      var number = 2 * Float(state >> 8) * 0x1p-24 - 0.75
      if info.name.hasPrefix("moving variance") { number += 1 }
      if info.name == "x", let special, element % 37 == 5 { number = special }
      bytes.storeBytes(of: number, toByteOffset: 4 * element, as: Float.self)
    }
  }
}

/// ‖found − right‖ in units of ‖right‖.
private func distance(_ found: [Float], _ right: [Float]) -> Double {
  var (difference, size) = (0.0, 1e-20)
  for (a, b) in zip(found, right) {
    difference += (Double(a) - Double(b)) * (Double(a) - Double(b))
    size += Double(b) * Double(b)
  }
  return found.count == right.count ? (difference / size).squareRoot() : .infinity
}

@Suite(.enabled(if: isOpenBLASHere(), "libopenblas.so.0 is not on this machine")) struct NormalizedBatchFusionTests {
  static let sums = "reduce + binary + unary + reduce"
  private static let gatedSums = "unary/backward + reduce + binary + reduce"
  /// One row, rests of every block and strip, and several chunks.
  private static let shapes = [
    [64, 64], [1, 3], [33, 17], [7, 40], [5, 3, 2, 21], [61, 6, 5, 16], [16, 12, 12, 33],
  ]

  @Test(
    "sums are one work, all behind them one, and their gradients; whoever looks, and however many work, bits are the same",
    arguments: shapes)
  func fires(shape: [Int]) throws {
    for (hasRelu, shortcut) in [(true, BatchProgram.Shortcut.none), (true, .earlier), (false, .normalized)] {
      let program = BatchProgram(shape: shape, hasRelu: hasRelu, shortcut: shortcut)
      let reference = try program.run(.taps, on: ReferenceBackend())
      let alone = try program.run(.nobody, workers: 1)
      let count = shortcut == .normalized ? 2 : 1
      #expect(alone.fused == count, "\(alone.groups)")
      #expect(alone.count(Self.gatedSums) == (hasRelu ? 1 : 0), "\(alone.groups)")
      let rest = "fill + binary + unary + binary + binary + binary"
      let ends = (shortcut == .none ? "" : " + binary") + (hasRelu ? " + unary" : "")
      #expect(alone.groups.contains(rest + ends), "\(alone.groups)")
      for (name, bits) in reference.results {
        let error = distance(alone.numbers(name), bits.map { Float(bitPattern: $0) })
        #expect(error < 2e-5, "\(name): \(error)")
      }
      for onlooker in Onlooker.allCases {
        for workers in [1, 3] {
          let run = try program.run(onlooker, workers: workers)
          #expect(run.fused == count, "\(run.groups)")
          for (name, bits) in alone.results { #expect(run.results[name] == bits, "\(name), \(onlooker), \(workers)") }
          for (value, numbers) in run.seen {
            let error = distance(numbers, reference.seen[value] ?? [])
            #expect(error < 2e-4, "%\(value): \(error)")
          }
        }
      }
    }
  }

  @Test("a gradient that comes out of a product goes through relu there, in registers")
  func behindProduct() throws {
    let program = BatchProgram(shape: [64, 64], isFollowed: true)
    let (run, right) = (try program.run(), try program.run(on: ReferenceBackend()))
    #expect(run.fused == 1 && run.count("matmul + unary/backward") == 1, "\(run.groups)")
    #expect(run.count("reduce + binary + reduce") == 1, "\(run.groups)")
    for (name, bits) in right.results {
      let error = distance(run.numbers(name), bits.map { Float(bitPattern: $0) })
      #expect(error < 2e-5, "\(name): \(error)")
    }
  }

  @Test("an evaluation in training's mode has the forward half, with the same bits")
  func withoutGradient() throws {
    let trained = try BatchProgram().run()
    let run = try BatchProgram(isTrained: false).run()
    #expect(run.fused == 1 && run.results["y"] == trained.results["y"], "\(run.groups)")
    #expect(run.results["moving variance"] == trained.results["moving variance"])
  }

  @Test("what is not a number comes out wherever it comes out of the calls alone", arguments: [Float.nan, .infinity])
  func special(number: Float) throws {
    for shortcut in [BatchProgram.Shortcut.none, .earlier] {
      let program = BatchProgram(shape: [61, 17], shortcut: shortcut, special: number)
      let (run, right) = (try program.run(), try program.run(on: ReferenceBackend()))
      #expect(run.fused == 1)
      for (name, bits) in right.results {
        for (found, expected) in zip(run.numbers(name), bits.map({ Float(bitPattern: $0) })) where expected.isNaN {
          #expect(found.isNaN, "\(name)")
        }
      }
    }
  }

  @Test(
    "what is read again, other axes, and no gamma or beta are calls of their own",
    arguments: BatchProgram.Obstacle.allCases)
  fileprivate func mustNot(obstacle: BatchProgram.Obstacle) throws {
    let program = BatchProgram(obstacle: obstacle)
    let (run, right) = (try program.run(), try program.run(on: ReferenceBackend()))
    #expect(run.fused == 0, "\(run.groups)")
    for (name, bits) in right.results {
      let error = distance(run.numbers(name), bits.map { Float(bitPattern: $0) })
      #expect(error < 2e-5, "\(name): \(error)")
    }
  }

  @Test("running statistics move in one work, and are replaced in one where the step is allowed")
  func moves() throws {
    let run = try BatchProgram().run()
    #expect(
      run.count("binary + fill + binary + fill + binary") + run.count("fill + binary + fill + binary + binary") == 2)
    #expect(run.count("select + assign") == 2, "\(run.groups)")
    let kept = try BatchProgram(isAllowed: false).run()
    let right = try BatchProgram(isAllowed: false).run(on: ReferenceBackend())
    for name in ["moving mean", "moving variance"] {
      #expect(kept.results[name] == right.results[name] && kept.results[name] != run.results[name])
    }
  }

  @Test("a product that is read again is a call of its own, and so is what moves")
  func movesAlone() throws {
    let run = try BatchProgram(movesAreReadAgain: true).run()
    #expect(
      run.groups.allSatisfy { !$0.contains("binary + fill + binary + fill") && !$0.hasPrefix("fill + binary + fill") })
    let together = try BatchProgram().run()
    for (name, bits) in together.results { #expect(run.results[name] == bits, "\(name)") }
  }

  @Test("by running statistics it is one pass, with the bits of the calls alone", arguments: shapes)
  func running(shape: [Int]) throws {
    for (hasRelu, shortcut) in [(true, BatchProgram.Shortcut.none), (true, .earlier), (false, .normalized)] {
      var program = BatchProgram(shape: shape, hasRelu: hasRelu, shortcut: shortcut, isTrained: false)
      program.isRunning = true
      let words =
        "binary + binary + binary" + (shortcut == .none ? "" : " + binary") + (hasRelu ? " + unary" : "")
      var broken = program
      broken.obstacle = .centeredReadAgain
      let apart = try broken.run()
      #expect(apart.groups.allSatisfy { !$0.hasPrefix("binary + binary") }, "\(apart.groups)")
      let reference = try program.run(.taps, on: ReferenceBackend())
      for onlooker in Onlooker.allCases {
        for workers in [1, 3] {
          let run = try program.run(onlooker, workers: workers)
          // Of one row a residual addition could be a beta.
          #expect(run.groups.contains(words) || shape[0] == 1, "\(run.groups)")
          #expect(run.results["y"] == apart.results["y"], "\(onlooker)")
          for (value, numbers) in run.seen {
            let error = distance(numbers, reference.seen[value] ?? [])
            #expect(error < 2e-5, "%\(value): \(error)")
          }
        }
      }
    }
  }

  @Test("by running statistics, what is read again is a call of its own")
  func runningReadAgain() throws {
    for obstacle in [BatchProgram.Obstacle.centeredReadAgain, .scaledReadAgain] {
      var program = BatchProgram(isTrained: false, obstacle: obstacle)
      program.isRunning = true
      let run = try program.run()
      #expect(run.groups.allSatisfy { !$0.contains("binary + binary") }, "\(run.groups)")
    }
  }
}
